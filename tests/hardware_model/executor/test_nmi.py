"""Non-maskable interrupts on the bare processor (SDM vol. 3A 6.7)."""

from __future__ import annotations

import pytest

from hardware_model.machine import End
from tests.hardware_model.watchdog import Watchdog

PORT = 0x500
RAISE = f"mov edx, {PORT:#x}; out dx, al;"


class Button:
    """A device that raises the NMI pin whenever its port is written to."""

    def __init__(self, machine):
        self._machine = machine

    def read_port(self, port, size):
        return 0

    def write_port(self, port, size, value):
        self._machine.engine.raise_nmi()


@pytest.fixture
def run_with_button(boot_guest):
    def run(text, **options):
        booted = boot_guest(text, **options)
        booted.platform.bus.attach_ports(PORT, 1, Button(booted.machine))
        return booted.run()

    return run


@pytest.mark.parametrize("flags", [2, 0x202])
def test_an_nmi_comes_at_the_next_boundary_whatever_if_is(run_with_button, flags):
    run = run_with_button(f"push {flags}; popfq; {RAISE} at: nop; nop; cli")
    assert [(r.vector, r.rip) for r in run.records] == [(2, run.guest.symbols["at"])]


def test_nmis_within_the_handler_wait_for_its_iret_and_are_one(run_with_button):
    text = (
        f"jmp over; nmi: inc dword ptr [DATA]; cmp dword ptr [DATA], 1; jne last; {RAISE} nop; {RAISE}"
        f"mov dword ptr [DATA+8], 1; last: iretq; over: {RAISE} at: nop; nop"
    )
    run = run_with_button(text, gates={2: {"handler": "nmi"}})
    assert (run.data(), run.data(8)) == (2, 1)


def test_an_nmi_interrupts_the_handler_of_an_exception(run_with_button):
    text = f"jmp over; undefined: {RAISE} inside: add qword ptr [rsp], 2; iretq; over: ud2; nop"
    run = run_with_button(text, gates={6: {"handler": "undefined"}})
    assert [(r.vector, r.rip) for r in run.records] == [(2, run.guest.symbols["inside"])]


def test_an_nmi_with_a_missing_gate_is_a_fault_of_its_delivery(run_with_button):
    run = run_with_button(f"{RAISE} at: ? nop; nop", gates={2: {"present": False}})
    assert [(r.vector, r.error) for r in run.records] == [(11, 2 * 8 + 3)]


@pytest.fixture
def run_with_watchdog(boot_guest):
    def run(text, **options):
        booted = boot_guest(text, **options)
        booted.platform.bus.attach_ports(PORT, 1, Button(booted.machine))
        booted.watchdog = Watchdog(booted.machine, booted.platform, 5_000)
        return booted.run()

    return run


@pytest.mark.parametrize("flags", [2, 0x202])
def test_an_nmi_wakes_a_halted_processor_whatever_if_is(run_with_watchdog, flags):
    run = run_with_watchdog(f"push {flags}; popfq; hlt; at: nop; cli")
    assert [(r.vector, r.rip) for r in run.records] == [(2, run.guest.symbols["at"])]
    assert run.end is End.EXITED
    assert run.machine.now > 5_000 > run.machine.instructions


def test_a_blocked_nmi_does_not_wake_the_processor(run_with_watchdog):
    text = f"jmp over; nmi: hlt; iretq; over: {RAISE} nop"
    run = run_with_watchdog(text, gates={2: {"handler": "nmi"}})
    assert run.end is End.HALTED
    assert run.machine.now >= 5_000  # it was waited for


def test_an_interrupt_does_not_wake_a_processor_with_interrupts_off(boot_guest):
    apic_on = "mov dword ptr [APIC+0xf0], 0x1ff; mov dword ptr [APIC+0x300], 0x40041\n"
    run = boot_guest(apic_on + "hlt; mov dword ptr [DATA], 1").run()
    assert (run.end, run.data(), run.records) == (End.HALTED, 0, [])


def test_without_a_source_of_nmis_a_halt_with_interrupts_off_is_the_end(boot_guest):
    run = boot_guest("mov dword ptr [APIC+0xf0], 0x1ff; hlt").run()
    assert run.end is End.HALTED
    assert run.machine.now == run.machine.instructions
