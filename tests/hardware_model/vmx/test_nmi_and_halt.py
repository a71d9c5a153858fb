"""NMIs and a guest that is halted: what wakes it, and what an exit finds (SDM vol. 3C 25.2, 26.6.2, 27.3.4)."""

from __future__ import annotations

import pytest

from hardware_model.machine import End
from hardware_model.vmx.controls import PinBased, Primary
from hardware_model.vmx.exit_reasons import Reason
from hardware_model.vmx.fields import Field
from hardware_model.vmx.interruption import ActivityState
from tests.hardware_model.watchdog import Watchdog

from .nmi_guest import (
    BLOCKED,
    EXITS,
    NMI,
    NONE,
    RULES,
    VIRTUAL,
    block,
    close_window,
    exits,
    log,
    on_cpuid,
    open_window,
    raise_nmi,
)

EXTERNAL = PinBased.EXTERNAL_INTERRUPT_EXITING
HALT = "push {flags:#x}; popfq; cpuid; hlt; at: nop; cli"


def start_watchdog(run):
    Watchdog(run.machine, run.machine.platform, 5_000)


def watched(*actions, activity):
    """A VMM that starts a watchdog at CPUID, does `actions`, and wakes the guest at an NMI; notes what it found."""

    def start(run):
        start_watchdog(run)
        for action in actions:
            action(run)

    first = on_cpuid(start)

    def on_exit(run, seen):
        if seen.reason is Reason.CPUID:
            return first(run, seen)
        activity.append(run.vmx.read(Field.GUEST_ACTIVITY_STATE))
        run.vmx.write(Field.GUEST_ACTIVITY_STATE, ActivityState.ACTIVE)
        close_window(run)
        return True

    return on_exit


@pytest.mark.parametrize("flags", [2, 0x202])
@pytest.mark.parametrize("external", [PinBased(0), EXTERNAL], ids=["own", "exiting"])
@RULES
def test_an_nmi_wakes_a_halted_guest_or_exits_and_finds_it_halted(vmx_guest, pin, external, flags):
    activity = []
    run = vmx_guest(
        HALT.format(flags=flags), pin=pin | external, on_exit=watched(activity=activity)
    )
    assert run.end is End.EXITED
    assert run.machine.now > 5_000
    if pin is NONE:
        assert (exits(run), log(run)) == ([], [(2, run.at("at"))])
    else:
        assert exits(run) == [(Reason.EXCEPTION_NMI, NMI, run.at("at"), 0)]
        assert activity == [ActivityState.HLT]


@RULES
def test_a_blocked_nmi_wakes_nobody_unless_nmis_are_virtual(vmx_guest, pin):
    activity = []
    run = vmx_guest(
        HALT.format(flags=2), pin=pin | EXTERNAL, on_exit=watched(block, activity=activity)
    )
    if pin is VIRTUAL:
        assert exits(run) == [(Reason.EXCEPTION_NMI, NMI, run.at("at"), BLOCKED)]
        assert activity == [ActivityState.HLT]
    else:
        assert (run.end, exits(run), log(run)) == (End.HALTED, [], [])


def test_an_exit_by_nmi_leaves_the_guest_halted_until_the_next_one(vmx_guest):
    """The VMM leaves the activity state as it is: the entry is to a halted guest, which sleeps on."""
    first = on_cpuid(start_watchdog)
    run = vmx_guest(
        HALT.format(flags=2), pin=EXITS, on_exit=lambda run, seen: first(run, seen) or True
    )
    assert exits(run) == [(Reason.EXCEPTION_NMI, NMI, run.at("at"), 0)]
    assert run.end is End.HALTED


@RULES
def test_an_entry_to_a_halted_guest_with_an_nmi_pending_wakes_it(vmx_guest, pin):
    """HLT exits; the VMM enters behind it with the activity state HLT."""
    seen_halted = []

    def on_exit(run, seen):
        if seen.reason is Reason.HLT:
            run.vmx.skip_instruction()
            run.vmx.write(Field.GUEST_ACTIVITY_STATE, ActivityState.HLT)
            raise_nmi(run)
        elif seen.reason is Reason.EXCEPTION_NMI:
            seen_halted.append(run.vmx.read(Field.GUEST_ACTIVITY_STATE))
            run.vmx.write(Field.GUEST_ACTIVITY_STATE, ActivityState.ACTIVE)
        return True

    run = vmx_guest("hlt; at: nop; nop", pin=pin, primary=Primary.HLT_EXITING, on_exit=on_exit)
    assert run.end is End.EXITED
    if pin is NONE:
        assert (exits(run)[1:], log(run)) == ([], [(2, run.at("at"))])
    else:
        assert exits(run)[1:] == [(Reason.EXCEPTION_NMI, NMI, run.at("at"), 0)]
        assert seen_halted == [ActivityState.HLT]


def test_an_nmi_window_that_opens_ends_a_halt(vmx_guest):
    activity = []

    def halted(run):
        run.vmx.write(Field.GUEST_ACTIVITY_STATE, ActivityState.HLT)

    run = vmx_guest(
        "cpuid; at: nop; nop",
        pin=VIRTUAL,
        on_exit=watched(open_window, halted, activity=activity),
    )
    assert exits(run)[0] == (Reason.NMI_WINDOW, 0, run.at("at"), 0)
    assert activity[0] == ActivityState.HLT
