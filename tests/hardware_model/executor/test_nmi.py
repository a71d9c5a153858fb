"""Non-maskable interrupts on the bare processor (SDM vol. 3A 6.7)."""

from __future__ import annotations

import pytest

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
