"""Shadows of STI and MOV to SS in the interruptibility state (SDM vol. 3C table 24-3), as exits in them find it."""

from __future__ import annotations

import pytest

from hardware_model.machine import End
from hardware_model.vmx.exit_reasons import Reason
from hardware_model.vmx.fields import Field
from hardware_model.vmx.transitions import VmEntryRefused
from tests.small_guest import DATA

from .nmi_guest import log, on_cpuid

STI, MOV_SS = 1, 2
_START = "mov ecx, 0x10; mov r9d, 0x10; mov rbx, DATA; mov [rbx], rcx; mov [rbx-5], rcx; mov [rbx+0xfb], rcx\n"
_FLAGS = "push {flags:#x}; popfq\n"
ON, OFF, TF = 0x202, 2, 0x302


@pytest.mark.parametrize(
    ("flags", "text", "shadow"),
    [
        (OFF, "sti", STI),
        (OFF, "sti; nop", 0),
        (OFF, "mov ss, cx", MOV_SS),
        (ON, "mov ss, cx", MOV_SS),
        (ON, "mov ss, cx; nop", 0),
        (ON, "mov ss, r9w", MOV_SS),
        (ON, ".byte 0x66, 0x8e, 0xd1", MOV_SS),
        (ON, "mov ss, [rbx]", MOV_SS),
        (ON, "mov ss, [rbx-5]", MOV_SS),  # its last byte is STI's opcode
        (ON, "mov ss, [rbx+0xfb]", MOV_SS),
        (ON, "mov ds, cx", 0),
        (OFF, "mov al, 0xfb", 0),
        (OFF, "? mov ss, [0x700000]; sti", STI),  # the load that faulted casts none
        (OFF, "sti; mov ss, cx", 0),  # of two in a row only the first
        (OFF, "mov ss, cx; sti", 0),
    ],
)
def test_an_exit_in_a_shadow_tells_whose_it_is(vmx_guest, flags, text, shadow):
    run = vmx_guest(_START + _FLAGS.format(flags=flags) + text + "; cpuid; cli")
    assert run.only_exit().reason is Reason.CPUID
    assert run.exits[0].interruptibility == shadow


@pytest.mark.parametrize("shadow", [STI, MOV_SS])
def test_a_shadow_that_the_vmm_has_set_is_there_until_an_instruction_retires(vmx_guest, shadow):
    """The VMM sets it where a page fault exits, has the instruction fault again, and then mapped."""
    text = _FLAGS.format(flags=ON) + "mov ebx, 0x700000; again: mov eax, [rbx]; behind: cpuid; cli"

    def on_exit(run, seen):
        if seen.reason is Reason.CPUID:
            return None
        if len(run.exits) == 1:
            run.vmx.write(Field.GUEST_INTERRUPTIBILITY_STATE, shadow)
        else:
            run.set_gpr("rbx", DATA)
        return True

    run = vmx_guest(text, fields={Field.EXCEPTION_BITMAP: 1 << 14}, on_exit=on_exit)
    assert [seen.interruptibility for seen in run.exits] == [0, shadow, 0]


@pytest.mark.parametrize("shadow", [STI, MOV_SS])
def test_an_interrupt_waits_behind_a_shadow_that_the_vmm_has_set(vmx_guest, shadow):
    def interrupt(run):
        run.vmx.write(Field.GUEST_INTERRUPTIBILITY_STATE, shadow)
        run.machine.platform.apic.request(0x41)

    text = f"mov dword ptr [APIC+0xf0], 0x1ff; {_FLAGS.format(flags=ON)} cpuid; nop; at: nop; cli"
    run = vmx_guest(text, on_exit=on_cpuid(interrupt))
    assert log(run) == [(0x41, run.at("at"))]


@pytest.mark.parametrize(("flags", "text"), [(OFF, "sti"), (OFF, "mov ss, cx"), (ON, "mov ss, cx")])
def test_the_next_entry_takes_the_shadow_that_an_exit_found(vmx_guest, flags, text):
    """Anything else in the shadow's place would be refused: STI's with IF = 0, or an event injected."""

    def write_back(run):
        found = run.vmx.read(Field.GUEST_INTERRUPTIBILITY_STATE)
        run.vmx.write(Field.GUEST_INTERRUPTIBILITY_STATE, found)

    def again(run, seen):
        write_back(run)

    run = vmx_guest(_START + _FLAGS.format(flags=flags) + text + "; cpuid; cli", on_exit=again)
    assert run.end is End.EXITED


@pytest.mark.parametrize("shadow", ["sti", "mov ss, cx"])
def test_no_interrupt_is_injected_into_a_shadow(vmx_guest, shadow):
    def inject(run, seen):
        run.vmx.write(Field.ENTRY_INTERRUPTION_INFO, 1 << 31 | 0x41)
        return True  # RIP stays, and so does the shadow

    with pytest.raises(VmEntryRefused, match="if an external interrupt is injected"):
        vmx_guest(_START + f"{shadow}; cpuid; cli", on_exit=inject)


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("nop; one: nop; two: nop; three: cli", ["one", "two", "three"]),
        ("mov ss, cx; one: nop; two: nop; three: cli", ["two", "three"]),
        ("mov ss, [rbx-5]; one: nop; two: nop; three: cli", ["two", "three"]),
        ("sti; one: nop; two: nop; three: cli", ["one", "two", "three"]),
    ],
)
def test_the_shadow_of_mov_ss_holds_off_a_single_step_trap_and_that_of_sti_does_not(
    vmx_guest, run_guest, text, labels
):
    text = f"{_START} {_FLAGS.format(flags=TF & ~0x200)} {text}; push 2; popfq"
    exits, native = vmx_guest(text), run_guest(text)
    expected = [exits.at(label) for label in labels]
    for steps in (log(exits), [(event.vector, event.rip) for event in native.records]):
        assert [rip for vector, rip in steps if vector == 1][: len(labels)] == expected
