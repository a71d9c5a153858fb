"""Hours of virtual time: memory stays flat, counters stay far from 64 bits, and every run comes to the same."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from hardware_model.executor.words import Mode
from hardware_model.machine import End
from tests.conftest import RAM, Run, boot_native
from tests.proofs import equivalence
from tests.proofs.figures import counted
from tests.small_guest import SmallGuest

HOUR = 3600 * 10**9
"""Units of virtual time: a unit is a nanosecond (docs/mechanisms/7-virtual-time.md)."""
PERIOD = 0x7FFF_FFF0
TICKS = 10_100
MEGABYTE = 1 << 20
GROWTH = 4 * MEGABYTE
TECHNIQUES = ("native", "hvm-ept", "hvm-shadow", "bt", "trap-and-emulate")

IDLE = f"""
 mov rbx, APIC; mov dword ptr [rbx+0xf0], 0x1ff; mov dword ptr [rbx+0x3e0], 0xb
 mov dword ptr [rbx+0x320], 0x20041; mov dword ptr [rbx+0x380], {PERIOD:#x}
 xor r12d, r12d; sti
sleep: hlt; cmp r12d, {TICKS}; jb sleep
 cli; rdtsc; mov [DATA+8], eax; mov [DATA+12], edx; mov [DATA], r12; jmp end
tick: inc r12; push rbx; mov rbx, APIC; mov dword ptr [rbx+0xb0], 0; pop rbx; iretq
end: nop
"""
BUSY = """
 mov rbx, APIC; mov dword ptr [rbx+0xf0], 0x1ff; mov dword ptr [rbx+0x3e0], 0xb
 mov dword ptr [rbx+0x320], 0x20041; mov dword ptr [rbx+0x380], 0x100000
 sti
again:
 mov ecx, 400; mov rdi, DATA
touch: mov [rdi+rcx*8], rax; add rax, rcx; imul rdx, rax; xor rax, rdx; loop touch
 mov rdx, cr3; mov cr3, rdx; jmp again
tick: inc r12; push rbx; mov rbx, APIC; mov dword ptr [rbx+0xb0], 0; pop rbx; iretq
"""
GATES = {0x41: {"handler": "tick"}}


def resident() -> int:
    """Bytes of this process that are in memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def boot(text: str, technique: str) -> Run:
    """The guest, loaded."""
    guest = SmallGuest(text, gates=GATES)
    return (
        boot_native(guest)
        if technique == "native"
        else equivalence.boot_guest(guest, technique, {})
    )


def sliced(run: Run, technique: str) -> Callable[[int], End]:
    """Boots the guest and returns what lets it go on for a slice, which ends when the guest is awake."""
    machine = run.machine
    if technique == "native":
        return lambda units: machine.run(Mode.BARE, None, machine.now + units)
    vmm = run.resume.__self__  # type: ignore[attr-defined]
    vmm.start()
    return lambda units: vmm.resume(None, machine.now + units)  # type: ignore[no-any-return]


def digest(run: Run) -> str:
    """What the guest can tell, and every counter."""
    seen = hashlib.sha256(run.machine.memory.read(run.base, RAM))
    counters = sorted(run.counters.items())
    seen.update(
        repr([item for item in counters if item[0] != "blocks"]).encode()
    )  # slices cut them
    seen.update(run.machine.registers.gpr.tobytes())
    return seen.hexdigest()


@pytest.mark.parametrize("technique", TECHNIQUES)
def test_six_hours_of_sleep_cost_no_memory_and_count_right(technique: str) -> None:
    """A timer interrupt each two seconds."""
    first, second = boot(IDLE, technique).run(None), boot(IDLE, technique)
    go_on = sliced(second, technique)
    go_on(HOUR)
    before = resident()
    while go_on(HOUR) is End.PAUSED:
        assert resident() - before < GROWTH
    assert (first.end, first.platform.exit_port.status) == (End.EXITED, 0)
    assert first.data(0) == TICKS
    assert 6 * HOUR < first.data(8) < first.machine.now < 6.1 * HOUR
    counters = first.counters
    assert counters["timer.expired"] % TICKS == 0  # a VMM's own timer stands behind the guest's
    assert 0 < first.machine.instructions < 40 * TICKS
    assert max(counters.values()) < 1 << 48
    assert digest(first) == digest(second)
    counted("long runs: hours of virtual time", int(first.machine.now // HOUR))


def test_time_goes_on_rightly_when_it_no_longer_fits_into_32_and_48_bits() -> None:
    """Deadlines, the time-stamp counter and the timer at 2^31, 2^32 and 2^48 units, as from the start."""
    for start in (0, (1 << 31) - 500, (1 << 32) - 500, (1 << 48) - 500, (1 << 62) - 500):
        text = IDLE.replace(f"{PERIOD:#x}", "0x400").replace(f"{TICKS}", "50")
        run = boot(text, "native")
        run.machine.words[64] = run.machine.words[66] = start  # CLOCK, IDLE
        run.run(None)
        assert (run.end, run.data(0)) == (End.EXITED, 50)
        spent = run.machine.now - start
        assert run.data(8) - start < spent
        counted("long runs: starts at the ends of 32, 48 and 62 bits")
        assert spent == _spent(text)


def _spent(text: str) -> int:
    run = boot(text, "native").run(None)
    return run.machine.now


@pytest.mark.soak
@pytest.mark.parametrize("technique", TECHNIQUES)
def test_billions_of_instructions_cost_no_memory(technique: str) -> None:
    run = boot(BUSY, technique)
    go_on = sliced(run, technique)
    go_on(200_000_000)
    before, units = resident(), 1_000_000_000
    for _ in range(5):
        assert go_on(units) is End.PAUSED
        assert resident() - before < GROWTH
    assert max(run.counters.values()) < 1 << 48
    counted("long runs: millions of instructions", run.machine.instructions // 10**6)
