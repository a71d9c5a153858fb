"""MSRs and ports of a running guest exit by the bits of their bitmaps."""

from __future__ import annotations

import pytest

from hardware_model.vmx.controls import Primary
from hardware_model.vmx.exit_reasons import Reason
from hardware_model.vmx.qualifications import IoInstruction
from tests.hardware_model.vmx.running_guest import (
    IO_BITMAP_A,
    IO_BITMAP_B,
    MSR_BITMAPS,
    VmxGuest,
    launchable,
)
from tests.small_guest import DATA, SmallGuest

MSRS = [
    0x0,
    0x10,
    0x174,
    0x1FFF,
    0x2000,
    0xBFFFFFFF,
    0xC0000080,
    0xC0000100,
    0xC0001FFF,
    0xC0002000,
]


def bitmaps_for(run: VmxGuest, selected: set[tuple[int, bool]]) -> None:
    """MSR bitmaps that make just the `selected` (MSR, write) exit, where a bitmap exists for the MSR."""
    bits = bytearray(4096)
    for msr, write in selected:
        at = (msr & 0x1FFF) + 8 * 1024 * (msr >= 0xC0000000) + 16 * 1024 * write
        bits[at >> 3] |= 1 << (at & 7)
    run.machine.memory.write(MSR_BITMAPS, bytes(bits))


@pytest.mark.parametrize("write", [False, True])
@pytest.mark.parametrize("selected", [True, False])
@pytest.mark.parametrize("msr", MSRS)
def test_an_msr_exits_by_its_bit_or_outside_both_ranges(msr, write, selected):
    text = f"mov ecx, {msr}; xor eax, eax; xor edx, edx; here: ? {'wrmsr' if write else 'rdmsr'}"
    run = launchable(SmallGuest(text), primary=Primary.USE_MSR_BITMAPS)
    in_range = msr < 0x2000 or 0xC0000000 <= msr < 0xC0002000
    if in_range:
        bitmaps_for(run, {(msr, write == selected)})
    run.run()
    exits = selected or not in_range
    assert run.reasons == [Reason.WRMSR if write else Reason.RDMSR] * exits
    if exits:
        assert (run.exits[0].rip, run.exits[0].length) == (run.at("here"), 2)


def test_without_msr_bitmaps_every_msr_exits(vmx_guest):
    run = vmx_guest("mov ecx, 0x174; rdmsr; mov ecx, 0xc0000100; wrmsr")
    assert run.reasons == [Reason.RDMSR, Reason.WRMSR]


PORTS = [
    ("in al, 0x70", 0x70, 1, True, False, False, True, 2),
    ("in ax, 0x70", 0x70, 2, True, False, False, True, 3),
    ("in eax, 0x70", 0x70, 4, True, False, False, True, 2),
    ("out 0x80, al", 0x80, 1, False, False, False, True, 2),
    ("in al, dx", 0x1234, 1, True, False, False, False, 1),
    ("out dx, ax", 0x1234, 2, False, False, False, False, 2),
    ("out dx, eax", 0x1234, 4, False, False, False, False, 1),
    ("insb", 0x1234, 1, True, True, False, False, 1),
    ("outsd", 0x1234, 4, False, True, False, False, 1),
    ("rep outsw", 0x1234, 2, False, True, True, False, 3),
    ("rep insb", 0x1234, 1, True, True, True, False, 2),
]


@pytest.mark.parametrize(
    ("code", "port", "size", "read", "string", "rep", "immediate", "length"), PORTS
)
def test_the_qualification_of_a_port_access(
    vmx_guest, code, port, size, read, string, rep, immediate, length
):
    text = f"mov rsi, DATA+0x100; mov rdi, DATA+0x200; mov ecx, 1; mov edx, 0x1234; here: {code}; cpuid"
    run = vmx_guest(
        text,
        primary=Primary.UNCONDITIONAL_IO_EXITING,
        on_exit=lambda run, seen: run.machine.end() if seen.reason is Reason.CPUID else None,
    )
    seen = run.exits[0]
    assert run.reasons == [Reason.IO_INSTRUCTION, Reason.CPUID]
    assert seen.qualification == IoInstruction(port, size, read, string, rep, immediate).encode()
    assert (seen.rip, seen.length) == (run.at("here"), length)
    if string:
        assert seen.linear == DATA + (0x200 if read else 0x100)


@pytest.mark.parametrize(
    ("code", "exits"),
    [
        ("in al, 0x71", True),
        ("in al, 0x70", False),
        ("in ax, 0x70", True),  # one of its two ports is selected
        ("in ax, 0x71", True),
        ("in ax, 0x72", False),
        ("mov edx, 0x6e; in eax, dx", True),
        ("mov edx, 0x6d; in eax, dx", False),
        ("mov edx, 0x8001; out dx, al", True),
        ("mov edx, 0x8000; out dx, al", False),
        ("mov edx, 0xffff; out dx, ax", True),  # beyond the last port
        ("mov edx, 0x7fff; out dx, ax", False),  # across both bitmaps
        ("mov edx, 0x7ffe; out dx, eax", True),
    ],
)
def test_a_port_exits_by_the_bits_of_all_its_bytes(code, exits):
    """Unconditional exiting is ignored when the bitmaps are used."""
    controls = Primary.USE_IO_BITMAPS | Primary.UNCONDITIONAL_IO_EXITING
    run = launchable(SmallGuest(code), primary=controls)
    for bitmap, port in ((IO_BITMAP_A, 0x71), (IO_BITMAP_B, 1)):
        run.machine.memory.write(bitmap + (port >> 3), bytes([1 << (port & 7)]))
    run.run()
    assert run.reasons == [Reason.IO_INSTRUCTION] * exits
