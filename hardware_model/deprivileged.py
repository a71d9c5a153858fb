"""The processor's side of a deprivileged guest: whatever happens to it enters the VMM's own vectors.

The VMM's code lies outside the modelled machine, so its IDT and its SYSCALL entry are a Python
handler. It is told what the processor would tell it (Intel SDM vol. 3A chapter 6): a vector with
its error code and CR2, a software interrupt with the length of its instruction, a SYSCALL, or an
external interrupt. The guest's registers stay live in the processor while the handler runs, and the
guest goes on from whatever the handler leaves in them.

What does not trap at the guest's privilege level, the processor executes: CPUID, for one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hardware_model import counters as counter_table
from hardware_model.executor import words as W
from hardware_model.executor.words import Intercept, Mode
from hardware_model.machine import End, Machine, MachineError
from hardware_model.vectors import EXCEPTION_VECTORS, HAS_ERROR_CODE

INVALID_OPCODE, GENERAL_PROTECTION = 6, 13
_UNDEFINED = frozenset(
    {Intercept.MONITOR, Intercept.MWAIT, Intercept.INVLPGA, Intercept.XSETBV}
    | {code for code in Intercept if Intercept.VMRUN <= code <= Intercept.SKINIT}
)
"""Instructions that the modelled processor does not have, which the engine would intercept."""
_TRAPS, _INTERRUPT = counter_table.index("traps"), counter_table.index("trap.interrupt")
_ALL_BITS = (1 << 64) - 1
_SYSCALL = counter_table.index("trap.syscall")
_BY_VECTOR = {v.number: counter_table.index(f"trap.{v.mnemonic}") for v in EXCEPTION_VECTORS}


@dataclass(frozen=True, slots=True)
class ExceptionTrap:
    """A fault or trap of the guest: `error` is None for vectors without an error code.

    `address` is the linear address of a page fault, 0 for other vectors.
    """

    vector: int
    error: int | None = None
    address: int = 0


@dataclass(frozen=True, slots=True)
class SoftwareInterrupt:
    """INT n or INT3; RIP is the instruction, which is `length` bytes long."""

    vector: int
    length: int


@dataclass(frozen=True, slots=True)
class SystemCall:
    """SYSCALL; RIP is the instruction. The VMM sets RCX and R11 as the guest expects them."""


@dataclass(frozen=True, slots=True)
class ExternalInterrupt:
    """An interrupt from the machine's own controller, not yet acknowledged there."""


Trap = ExceptionTrap | SoftwareInterrupt | SystemCall | ExternalInterrupt
TrapHandler = Callable[[Trap], None]

_SYSTEM_CALL, _EXTERNAL_INTERRUPT = SystemCall(), ExternalInterrupt()


class Deprivileged:
    """`machine` as a VMM has it that runs its guest below CPL 0."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self._words = machine.words
        self._counts = machine.counters.data

    @property
    def time_stamp(self) -> int:
        """IA32_TIME_STAMP_COUNTER, which RDTSC reads: virtual time, and what a write has added to it."""
        return (self.machine.now + int(self._words[W.TSC_ADJUST])) & _ALL_BITS

    @time_stamp.setter
    def time_stamp(self, value: int) -> None:
        self._words[W.TSC_ADJUST] = (value - self.machine.now) & _ALL_BITS

    def direct_gate(self, vector: int | None) -> None:
        """Leave INT `vector` to the gate in the IDT that IDTR names, which may lead to a ring of the guest's.

        None: every INT n enters the VMM, whose own IDT that would be. The gate's descriptor privilege level, the code
        segment and the stack in the TSS are checked and used as the processor does (Intel SDM vol. 3A section 6.12).
        """
        self._words[W.DIRECT_GATE] = 0 if vector is None else vector + 1

    def run(self, handler: TrapHandler, budget: int | None = None, pause: int | None = None) -> End:
        """Run the guest from the registers' state; `handler` is called at every trap until the run ends.

        `budget` and `pause` as in `Machine.run`.
        """

        def on_exit() -> int:
            handler(self.trap())
            return 0

        self.machine.on_exit = on_exit
        return self.machine.run(Mode.DEPRIVILEGED, budget, pause)

    def trap(self) -> Trap:
        """The trap that the processor has just taken, counted."""
        code = int(self._words[W.EVENT_CODE])
        self._counts[_TRAPS] += 1
        if Intercept.EXCEPTION <= code < Intercept.INTR:
            return self._exception(code - Intercept.EXCEPTION)
        if code == Intercept.SYSCALL:
            self._counts[_SYSCALL] += 1
            return _SYSTEM_CALL
        if code == Intercept.PHYSICAL_INTERRUPT:
            self._counts[_INTERRUPT] += 1
            return _EXTERNAL_INTERRUPT
        if code == Intercept.SWINT:
            length = int(self._words[W.INSTRUCTION_LENGTH])
            return SoftwareInterrupt(int(self._words[W.EVENT_VECTOR]), length)
        if code == Intercept.RDPMC:  # the engine knows no CR4.PCE check
            self._counts[_BY_VECTOR[GENERAL_PROTECTION]] += 1
            return ExceptionTrap(GENERAL_PROTECTION, 0)
        if code in _UNDEFINED:
            return self._exception(INVALID_OPCODE)
        raise MachineError(
            f"a deprivileged guest caused intercept {code:#x} at RIP {self.machine.registers.rip:#x}, "
            "which no processor would trap"
        )

    def _exception(self, vector: int) -> ExceptionTrap:
        self._counts[_BY_VECTOR[vector]] += 1
        error = int(self._words[W.EVENT_ERROR]) if vector in HAS_ERROR_CODE else None
        address = int(self._words[W.FAULT_ADDRESS]) if vector == 14 else 0
        return ExceptionTrap(vector, error, address)
