"""Region markers: each is announced once, whatever is raised meanwhile, and what is raised comes behind it."""

from __future__ import annotations

import pytest

from hardware_model.machine import End
from tests.small_guest import BEGIN, FINISH

APIC_ON = "mov dword ptr [APIC+0xf0], 0x1ff; sti\n"
TEXTS = {
    "within a block": f"nop; nop; {BEGIN} at: nop; nop; {FINISH} nop",
    "first in a block": f"jmp next; next: {BEGIN} at: nop; jmp last; last: {FINISH} nop",
    "last in a block": f"nop; {BEGIN} at: jmp last; nop; last: nop; {FINISH} jmp out; out: nop",
    "one behind the other": f"nop; {BEGIN} at: {FINISH} nop; nop",
}


def interrupt(run):
    run.platform.apic.request(0x41)


def nmi(run):
    run.machine.engine.raise_nmi()


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
@pytest.mark.parametrize(
    ("raise_it", "vector", "announced"), [(interrupt, 0x41, [1, 2]), (nmi, 2, [1])]
)
def test_what_a_marker_raises_comes_behind_it_and_the_marker_once(
    boot_guest, text, raise_it, vector, announced
):
    """The handler of the NMI ends the guest."""
    run = boot_guest(APIC_ON + text + "; cli")
    seen = []

    def on_marker(immediate):
        seen.append(immediate & 0xF)
        if len(seen) == 1:
            raise_it(run)

    run.machine.on_marker = on_marker
    run.run()
    assert run.end is End.EXITED
    assert seen == announced
    assert [(event.vector, event.rip) for event in run.records] == [
        (vector, run.guest.symbols["at"])
    ]


def test_a_run_that_a_marker_ends_ends_behind_it_and_goes_on_there(boot_guest):
    run = boot_guest(APIC_ON + TEXTS["within a block"] + "; cli")
    seen = []

    def on_marker(immediate):
        seen.append(immediate & 0xF)
        if len(seen) == 1:
            run.machine.end()

    run.machine.on_marker = on_marker
    run.run()
    assert (run.end, run.machine.registers.rip) == (End.REQUESTED, run.guest.symbols["at"])
    run.run()
    assert (run.end, seen) == (End.EXITED, [1, 2])
