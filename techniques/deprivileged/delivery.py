"""Delivery of events through the guest's own IDT, as the processor does at the guest's privilege level.

Intel SDM vol. 3A sections 6.12 to 6.14. Frames show what the guest would see natively: selectors with
the RPL of its own ring, and its own IF and IOPL.
"""

from __future__ import annotations

from dataclasses import dataclass

from hardware_model.descriptors import Gate, SystemType
from hardware_model.executor.registers import Registers
from hardware_model.task_state import IST_OFFSET, RSP_OFFSET
from hardware_model.vectors import HAS_ERROR_CODE
from techniques.deprivileged.descriptor_mirror import CODE, CONFORMING, PRESENT, SYSTEM_BIT
from techniques.deprivileged.exceptions import (
    GENERAL_PROTECTION,
    INVALID_TSS,
    NOT_PRESENT,
    PAGE_FAULT,
    GuestException,
    following,
    general_protection,
)
from techniques.deprivileged.linear_memory import LinearMemory
from techniques.deprivileged.rings import Rings
from techniques.deprivileged.segmentation import BIG, LONG, Descriptor, Segmentation
from techniques.deprivileged.virtual_cpu import IF, NT, RF, TF, VM, VirtualCpu

_GATES = (SystemType.INTERRUPT_GATE, SystemType.TRAP_GATE)
_IN_IDT, _EXTERNAL = 2, 1
_GATE_BYTES = 16


@dataclass(frozen=True, slots=True)
class Event:
    """Something to deliver: `software` for INT n and INT3; the saved RIP is `return_address`.

    `error` is pushed if it is not None.
    """

    vector: int
    error: int | None = None
    software: bool = False
    return_address: int | None = None


def _external(fault: GuestException) -> GuestException:
    """The fault with EXT in its error code: the event it interrupts was none of the program's."""
    if INVALID_TSS <= fault.vector <= GENERAL_PROTECTION:
        return GuestException(fault.vector, (fault.error or 0) | _EXTERNAL)
    return fault


class Delivery:
    """The guest's interrupt mechanism."""

    def __init__(
        self,
        registers: Registers,
        cpu: VirtualCpu,
        memory: LinearMemory,
        segmentation: Segmentation,
        rings: Rings,
    ) -> None:
        self._registers = registers
        self._cpu = cpu
        self._memory = memory
        self._segmentation = segmentation
        self._rings = rings

    def exception(self, fault: GuestException) -> bool:
        """Deliver an exception; False if the guest triple-faults."""
        if fault.vector == PAGE_FAULT:
            self._cpu.control[2] = fault.address
        error = (fault.error or 0) if fault.vector in HAS_ERROR_CODE else None
        try:
            self._deliver(Event(fault.vector, error))
        except GuestException as second:
            promoted = following(fault.vector, _external(second))
            return promoted is not None and self.exception(promoted)
        return True

    def interrupt(self, vector: int) -> bool:
        """Deliver an external interrupt; False if the guest triple-faults."""
        try:
            self._deliver(Event(vector))
        except GuestException as fault:
            return self.exception(_external(fault))
        return True

    def software(self, vector: int, length: int) -> None:
        """Deliver INT n or INT3 at RIP; raises the exception that the guest takes instead."""
        self._deliver(Event(vector, None, True, self._registers.rip + length))

    def _deliver(self, event: Event) -> None:
        gate = self._gate(event)
        code, ring = self._code(gate.selector)
        stack = self._stack(gate, ring)
        stack = self._push_frame(event, stack & ~0xF, user=ring == 3)
        clear = TF | NT | VM | RF | (IF if gate.clears_interrupt_flag else 0)
        self._cpu.load_flags(0, clear)
        changed = ring != self._cpu.cpl
        self._segmentation.load_checked("cs", gate.selector & ~3 | ring, code)
        if changed or gate.ist:
            self._segmentation.load_null_stack(ring)
        self._rings.enter(ring)
        self._registers.gpr[4] = stack
        self._registers.rip = gate.offset

    def _gate(self, event: Event) -> Gate:
        base, limit = self._cpu.idtr
        error = event.vector << 3 | _IN_IDT
        if event.vector * _GATE_BYTES + 15 > limit:
            raise general_protection(error)
        raw = self._memory.read(base + event.vector * _GATE_BYTES, _GATE_BYTES)
        gate = Gate.decode(raw)
        is_gate = gate.type in _GATES and not raw[5] & 0x10
        if not is_gate or (event.software and gate.dpl < self._cpu.cpl):
            raise general_protection(error)
        if not gate.present:
            raise GuestException(NOT_PRESENT, error)
        return gate

    def _code(self, selector: int) -> tuple[Descriptor, int]:
        """The handler's code segment and ring."""
        error = selector & 0xFFFC
        if not error:
            raise general_protection()
        found = self._segmentation.descriptor(selector)
        is_code = found.word & SYSTEM_BIT and found.word & CODE
        if not is_code or found.dpl > self._cpu.cpl:
            raise general_protection(error)
        if not found.word & PRESENT:
            raise GuestException(NOT_PRESENT, error)
        if not found.word & LONG or found.word & BIG:
            raise general_protection(error)
        return found, self._cpu.cpl if found.word & CONFORMING else found.dpl

    def _stack(self, gate: Gate, ring: int) -> int:
        if gate.ist:
            return self._task_state(IST_OFFSET + 8 * (gate.ist - 1))
        if ring < self._cpu.cpl:
            return self._task_state(RSP_OFFSET + 8 * ring)
        return int(self._registers.gpr[4])

    def _task_state(self, offset: int) -> int:
        """A stack pointer from the guest's TSS."""
        tr = self._cpu.tr
        if offset + 7 > tr.limit:
            raise GuestException(INVALID_TSS, tr.selector & 0xFFFC)
        return self._memory.read_integer(tr.base + offset, 8)

    def _push_frame(self, event: Event, stack: int, *, user: bool) -> int:
        cpu, registers = self._cpu, self._registers
        saved = registers.rip if event.return_address is None else event.return_address
        words = [cpu.selector("ss"), int(registers.gpr[4]), cpu.rflags, cpu.selector("cs"), saved]
        if event.error is not None:
            words.append(event.error)
        return self._memory.push(stack, words, user=user)
