"""Non-maskable interrupts in VMX non-root operation, by the tables of SDM vol. 3C 24.6.1, 25.3, 26.6 and 27.2.3."""

from __future__ import annotations

import pytest

from hardware_model.machine import End
from hardware_model.vmx.exit_reasons import Reason
from hardware_model.vmx.fields import Field
from hardware_model.vmx.transitions import VmEntryRefused
from tests.small_guest import DATA

from .nmi_guest import (
    BLOCKED,
    EXITS,
    HANDLER,
    IRET_HERE,
    NMI,
    NONE,
    RULES,
    VIRTUAL,
    block,
    close_window,
    exits,
    inject,
    log,
    on_cpuid,
    open_window,
    raise_nmi,
    unblock,
)


@pytest.mark.parametrize("flags", [2, 0x202])
@RULES
def test_an_nmi_is_delivered_or_exits_whatever_if_is(vmx_guest, pin, flags):
    text = f"push {flags}; popfq; cpuid; at: nop; nop; cli"
    run = vmx_guest(text, pin=pin, on_exit=on_cpuid(raise_nmi))
    assert run.end is End.EXITED
    if pin is NONE:
        assert (exits(run), log(run)) == ([], [(2, run.at("at"))])
    else:
        assert (exits(run), log(run)) == ([(Reason.EXCEPTION_NMI, NMI, run.at("at"), 0)], [])


@pytest.mark.parametrize(("shadow", "blocking"), [("mov ss, cx", 2), ("cli; sti", 1)])
@RULES
def test_an_nmi_waits_for_the_end_of_a_shadow(vmx_guest, pin, shadow, blocking):
    """A page fault in the shadow exits, the VMM has an NMI come and the instruction done again."""
    text = f"mov ecx, 0x10; mov ebx, 0x700000; push 0x202; popfq; {shadow}; mov eax, [rbx]; at: nop; cli"

    def on_exit(run, seen):
        if seen.info & 0xFF == 14:
            run.set_gpr("rbx", DATA)
            raise_nmi(run)
        return True

    run = vmx_guest(text, pin=pin, fields={Field.EXCEPTION_BITMAP: 1 << 14}, on_exit=on_exit)
    assert run.exits[0].interruptibility == blocking
    if pin is NONE:
        assert log(run) == [(2, run.at("at"))]
    else:
        assert [(seen.rip, seen.info) for seen in run.exits[1:]] == [(run.at("at"), NMI)]


@RULES
def test_blocking_by_nmi_holds_off_nmis_but_not_where_they_are_virtual(vmx_guest, pin):
    text = "cpuid; at: nop; nop"

    def both(run):
        block(run)
        raise_nmi(run)

    run = vmx_guest(text, pin=pin, on_exit=on_cpuid(both))
    assert log(run) == []
    expected = [(Reason.EXCEPTION_NMI, NMI, run.at("at"), BLOCKED)] if pin is VIRTUAL else []
    assert exits(run) == expected


@RULES
def test_iret_ends_blocking_but_not_where_nmis_exit_and_are_not_virtual(vmx_guest, pin):
    text = "cpuid\n" + IRET_HERE.format(flags=2) + "cpuid"
    run = vmx_guest(text, pin=pin, on_exit=on_cpuid(block))
    assert run.exits[-1].interruptibility == (BLOCKED if pin is EXITS else 0)


@pytest.mark.parametrize("pin", [NONE, EXITS])
def test_a_pending_nmi_comes_when_blocking_ends(vmx_guest, pin):
    text = "cpuid; nop\n" + IRET_HERE.format(flags=2) + "cpuid; behind: nop"

    def both(run):
        block(run)
        raise_nmi(run)

    run = vmx_guest(text, pin=pin, on_exit=on_cpuid(both, unblock))
    if pin is NONE:
        assert (exits(run), log(run)) == ([], [(2, run.at("at"))])
    else:
        assert exits(run) == [(Reason.EXCEPTION_NMI, NMI, run.at("behind"), 0)]


def test_two_nmis_while_one_is_handled_are_one(vmx_guest):
    def twice(run):
        raise_nmi(run)
        raise_nmi(run)

    run = vmx_guest(
        HANDLER.format(body="inc dword ptr [DATA]; cpuid") + "cpuid; at: nop; nop",
        gates={2: {"handler": "nmi"}},
        on_exit=on_cpuid(raise_nmi, twice),
    )
    assert run.word(DATA) == 2
    assert run.exits[1].interruptibility == BLOCKED  # within the handler


@RULES
def test_injecting_an_nmi_begins_blocking_until_iret(vmx_guest, pin):
    run = vmx_guest(
        HANDLER.format(body="cpuid") + "cpuid; at: nop; cpuid",
        pin=pin,
        gates={2: {"handler": "nmi"}},
        on_exit=on_cpuid(inject),
    )
    blocked = [seen.interruptibility for seen in run.exits]
    assert blocked == [0, BLOCKED, BLOCKED if pin is EXITS else 0]


@pytest.mark.parametrize(
    ("pin", "state", "refused"),
    [
        (VIRTUAL, BLOCKED, True),
        (EXITS, BLOCKED, False),
        (NONE, BLOCKED, False),
        (VIRTUAL, 2, True),
        (NONE, 2, True),
        (VIRTUAL, 1, True),
        (VIRTUAL, 0, False),
    ],
)
def test_injection_of_an_nmi_is_refused_by_what_blocks_it(vmx_guest, pin, state, refused):
    def both(run):
        run.vmx.write(Field.GUEST_INTERRUPTIBILITY_STATE, state)
        inject(run)

    text = f"push {0x202 if state == 1 else 2:#x}; popfq; cpuid; nop; nop; cli"
    if refused:
        with pytest.raises(VmEntryRefused, match="if an NMI is injected"):
            vmx_guest(text, pin=pin, on_exit=on_cpuid(both))
    else:
        run = vmx_guest(text, pin=pin, on_exit=on_cpuid(both))
        assert [vector for vector, _ in log(run)] == [2]


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("cpuid; at: nop; nop", "at"),
        ("cpuid; mov ss, si; at: nop; nop", None),
        ("cpuid; nop; hlt; nop", None),
    ],
)
def test_the_nmi_window_is_open_at_once_unless_something_blocks(vmx_guest, text, label):
    def on_exit(run, seen):
        if seen.reason is Reason.CPUID:
            run.vmx.skip_instruction()
            open_window(run)
        else:
            close_window(run)
        return True

    run = vmx_guest("mov esi, 0x10;" + text, pin=VIRTUAL, on_exit=on_exit)
    behind = run.at("at") if label else run.exits[0].rip + 2
    assert exits(run) == [(Reason.NMI_WINDOW, 0, behind, 0)]


def test_the_nmi_window_opens_behind_iret(vmx_guest):
    def on_exit(run, seen):
        if seen.reason is Reason.CPUID:
            run.vmx.skip_instruction()
            block(run)
            open_window(run)
        else:
            close_window(run)
        return True

    run = vmx_guest(
        "cpuid; nop\n" + IRET_HERE.format(flags=0x202) + "cli", pin=VIRTUAL, on_exit=on_exit
    )
    assert exits(run) == [(Reason.NMI_WINDOW, 0, run.at("at"), 0)]


def test_the_nmi_window_comes_before_an_nmi_and_an_nmi_before_an_interrupt(vmx_guest):
    """SDM vol. 3C 25.2 and vol. 3A table 6-2."""

    def on_exit(run, seen):
        if seen.reason is Reason.CPUID:
            run.vmx.skip_instruction()
            open_window(run)
            raise_nmi(run)
            run.machine.platform.apic.request(0x41)
        elif seen.reason is Reason.NMI_WINDOW:
            close_window(run)
        return True

    text = "mov dword ptr [APIC+0xf0], 0x1ff; push 0x202; popfq; cpuid; at: nop; nop; cli"
    run = vmx_guest(text, pin=VIRTUAL, on_exit=on_exit)
    assert [(seen[0], seen[2]) for seen in exits(run)] == [
        (Reason.NMI_WINDOW, run.at("at")),
        (Reason.EXCEPTION_NMI, run.at("at")),
    ]
    assert log(run) == [(0x41, run.at("at"))]
