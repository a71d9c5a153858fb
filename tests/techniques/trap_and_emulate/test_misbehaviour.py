"""A guest that relies on a critical instruction goes astray, but never for ever."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from hardware_model.machine import End, Machine
from techniques.guest import GuestImage
from techniques.knobs import resolve
from techniques.trap_and_emulate import TrapAndEmulate

RAM = 8 << 20
TIMER = (
    "mov rbx, APIC; mov dword ptr [rbx + 0xf0], 0x1ff; mov dword ptr [rbx + 0x3e0], 0xb;"
    "mov dword ptr [rbx + 0x320], 0x41; mov dword ptr [rbx + 0x380], 500;"
)


@pytest.fixture
def deprivileged(boot_guest: Callable[..., Any]) -> Callable[..., Any]:
    def boot(text: str) -> Any:
        pattern = boot_guest(text)
        machine = Machine(TrapAndEmulate.vmm_bytes + RAM)
        knobs = resolve(TrapAndEmulate.name, TrapAndEmulate.knobs, {})
        vmm = TrapAndEmulate(machine, GuestImage(pattern.guest.image, [], {}, RAM), knobs)
        return type(pattern)(pattern.guest, machine, vmm.memory.base, vmm.platform, vmm.run)

    return boot


def test_interrupts_that_popf_should_have_opened_never_come(boot_guest, deprivileged) -> None:
    text = f"{TIMER} push 0x202; popfq; hlt"
    native, run = boot_guest(text).run(), deprivileged(text).run()
    assert (native.end, len(native.records)) == (End.EXITED, 1)
    assert (run.end, run.records) == (End.HALTED, [])
    assert run.end.value == "the guest halted with nothing left to wake it"


def test_a_guest_that_waits_for_such_an_interrupt_uses_up_its_budget(
    boot_guest, deprivileged
) -> None:
    text = f"{TIMER} push 0x202; popfq; on: cmp qword ptr [rip + seen], 0; mov rax, LOG; cmp qword ptr [rax], 0; je on; jmp off; seen: .quad 0; off: nop"
    assert boot_guest(text).run(100_000).end is End.EXITED
    run = deprivileged(text).run(100_000)
    assert run.end is End.BUDGET
    assert run.machine.now == 100_000


def test_interrupts_that_popf_should_have_closed_still_come(boot_guest, deprivileged) -> None:
    text = f"{TIMER} sti; push 2; popfq; mov ecx, 400; on: dec ecx; jnz on"
    assert boot_guest(text).run().records == []
    assert len(deprivileged(text).run().records) == 1


def test_the_kernel_sees_interrupts_on_whatever_it_set(boot_guest, deprivileged) -> None:
    text = "cli; pushfq; pop r8; sti; nop; pushfq; pop r9; cli"
    native, run = boot_guest(text).run(), deprivileged(text).run()
    assert (native.gpr("r8") & 0x200, native.gpr("r9") & 0x200) == (0, 0x200)
    assert (run.gpr("r8") & 0x200, run.gpr("r9") & 0x200) == (0x200, 0x200)


def test_exception_frames_show_the_guests_own_flag_all_the_same(boot_guest, deprivileged) -> None:
    text = "cli; int 0x80; sti; nop; int 0x80; cli"
    frames = [
        [r.rflags & 0x200 for r in boot(text).run().records] for boot in (boot_guest, deprivileged)
    ]
    assert frames == [[0, 0x200]] * 2
