"""What the processor tells a VMM that runs its guest below CPL 0."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from hardware_model import boot, counters
from hardware_model.deprivileged import (
    Deprivileged,
    ExceptionTrap,
    ExternalInterrupt,
    SoftwareInterrupt,
    SystemCall,
    Trap,
)
from hardware_model.machine import End, Machine
from hardware_model.task_state import TaskState

RAM = 8 << 20
TASK = 0x200000
CODE1, DATA1 = 0x00AFBB00, 0x00CFB300


class Vmm:
    """A VMM that lets its guest start at CPL 1 and notes its traps; each trapping instruction is skipped."""

    def __init__(self, image: bytes, start: int) -> None:
        self.machine = Machine(RAM)
        self.machine.load_state(boot.load(self.machine.memory, RAM, image, []))
        registers = self.machine.registers
        for name, flags in (("cs", CODE1), ("ss", DATA1)):
            segment = registers.segment(name)
            registers.set_segment(
                name, segment._replace(selector=segment.selector | 1, flags=flags)
            )
        registers.cpl, registers.rip = 1, start
        self.machine.memory.write(TASK, TaskState().encode())
        registers.set_segment("tr", registers.segment("tr")._replace(base=boot.KERNEL_BASE + TASK))
        self.traps: list[Trap] = []
        self.lengths: dict[int, int] = {}

    def run(self, lengths: dict[int, int]) -> Vmm:
        """Run; `lengths` are those of the instructions expected to trap, by RIP. Another trap ends the run."""
        self.lengths = lengths
        self.end = Deprivileged(self.machine).run(self._note, 10_000)
        return self

    def _note(self, trap: Trap) -> None:
        self.traps.append(trap)
        if isinstance(trap, ExternalInterrupt):
            self.machine.platform.apic.acknowledge()
            self.machine.platform.apic.end_of_interrupt()
            return
        length = self.lengths.get(self.machine.registers.rip)
        if length is None:
            self.machine.end(End.REQUESTED)
            return
        self.machine.registers.rip += length
        self.machine.retire_emulated()

    def counter(self, name: str) -> int:
        return int(self.machine.profile.counters()[counters.index(name)])


@pytest.fixture
def run(boot_guest: Callable[..., Any]) -> Callable[..., Vmm]:
    """`run(*instructions)`: runs machine code at CPL 1 until the UD2 behind it."""

    def make(*instructions: bytes) -> Vmm:
        start = boot.KERNEL_BASE + boot.IMAGE_BASE
        lengths, at = {}, start
        for instruction in instructions:
            lengths[at] = len(instruction)
            at += len(instruction)
        return Vmm(b"".join(instructions) + b"\x0f\x0b", start).run(lengths)

    return make


CLI, STI, HLT, CPUID, RDTSC, SYSCALL = (
    b"\xfa",
    b"\xfb",
    b"\xf4",
    b"\x0f\xa2",
    b"\x0f\x31",
    b"\x0f\x05",
)
MOV_CR0, MOV_TO_CR3, INVLPG, RDMSR = b"\x0f\x20\xc0", b"\x0f\x22\xd8", b"\x0f\x01\x38", b"\x0f\x32"
IN, OUT, SWAPGS, SYSRET, LGDT = b"\xec", b"\xee", b"\x0f\x01\xf8", b"\x48\x0f\x07", b"\x0f\x01\x17"
UD2 = ExceptionTrap(6)


@pytest.mark.parametrize(
    "code",
    [CLI, STI, HLT, MOV_CR0, MOV_TO_CR3, INVLPG, RDMSR, IN, OUT, SWAPGS, SYSRET, LGDT],
    ids=bytes.hex,
)
def test_a_privileged_instruction_is_a_general_protection_fault(run, code: bytes) -> None:
    vmm = run(code)
    assert vmm.traps == [ExceptionTrap(13, 0), UD2]
    assert (vmm.counter("traps"), vmm.counter("trap.gp"), vmm.counter("trap.ud")) == (2, 1, 1)
    assert vmm.machine.now == 1


def test_cpuid_does_not_trap(run) -> None:
    vmm = run(b"\x31\xc0", CPUID)
    assert vmm.traps == [UD2]
    assert vmm.machine.registers.gpr[0] == 7
    assert vmm.machine.now == 2


def test_a_port_that_the_bitmap_opens_is_accessed_without_a_trap(run) -> None:
    start = boot.KERNEL_BASE + boot.IMAGE_BASE
    vmm = Vmm(b"\x66\xba\xfd\x03" + IN + b"\x0f\x0b", start)
    vmm.machine.memory.write(TASK, TaskState(io_map_base=104).encode() + bytes(200))
    segment = vmm.machine.registers.segment("tr")
    vmm.machine.registers.set_segment("tr", segment._replace(limit=303))
    vmm.run({})
    assert vmm.traps == [UD2]
    assert vmm.machine.registers.gpr[0] & 0xFF == 0x60  # line status: transmitter empty


def test_rdtsc_traps_only_with_the_time_stamp_disabled(run) -> None:
    vmm = run(b"\x90", RDTSC)
    assert vmm.traps == [UD2]
    assert vmm.machine.registers.gpr[0] == 1


def test_software_interrupts_come_with_their_length(run) -> None:
    assert run(b"\xcd\x80", b"\xcc", b"\xcd\x03").traps == [
        SoftwareInterrupt(0x80, 2),
        SoftwareInterrupt(3, 1),
        SoftwareInterrupt(3, 2),
        UD2,
    ]


def test_a_system_call_enters_the_vmm_before_it_changes_anything(run) -> None:
    vmm = run(b"\xb9\x05\x00\x00\x00", SYSCALL)
    assert vmm.traps == [SystemCall(), UD2]
    assert vmm.machine.registers.gpr[1] == 5
    assert (vmm.counter("trap.syscall"), vmm.counter("syscall")) == (1, 1)


def test_a_page_fault_comes_with_its_address(run) -> None:
    load = b"\x48\x8b\x04\x25\x00\x00\x00\x70"  # mov rax, [0x70000000]
    store = b"\x48\x89\x04\x25\x00\x00\x00\x70"
    assert run(load, store).traps == [
        ExceptionTrap(14, 0, 0x70000000),
        ExceptionTrap(14, 2, 0x70000000),
        UD2,
    ]


def test_instructions_that_the_processor_lacks_are_undefined(run) -> None:
    vmmcall, monitor, rdpmc = b"\x0f\x01\xd9", b"\x0f\x01\xc8", b"\x0f\x33"
    assert run(vmmcall, monitor, rdpmc).traps == [UD2, UD2, ExceptionTrap(13, 0), UD2]


def test_an_external_interrupt_comes_at_its_instruction_whatever_the_flags(run) -> None:
    start = boot.KERNEL_BASE + boot.IMAGE_BASE
    vmm = Vmm(b"\x90" * 20 + b"\x0f\x0b", start)
    vmm.machine.platform.apic.arm(7, 0x40)
    vmm.run({})
    assert vmm.traps == [ExternalInterrupt(), UD2]
    assert vmm.counter("trap.interrupt") == 1


@pytest.mark.parametrize("selector", [0, 1])
def test_a_null_stack_segment_does_not_raise_the_privilege(run, selector: int) -> None:
    vmm = run(b"\xb8" + bytes((selector, 0, 0, 0)), b"\x8e\xd0", CLI)
    assert vmm.machine.registers.cpl == 1
    faults = [ExceptionTrap(13, 0)] * (2 if selector == 0 else 1)
    assert vmm.traps == [*faults, UD2]
    assert vmm.machine.now == 3
