"""Posted interrupts, virtual interrupts and HLT in a running guest (SDM vol. 3C 29.1, 29.2, 29.6): exact places."""

from __future__ import annotations

import pytest

from hardware_model.machine import End
from hardware_model.vmx.controls import Primary
from hardware_model.vmx.exit_reasons import Reason
from hardware_model.vmx.fields import Field
from hardware_model.vmx.interruption import ActivityState
from hardware_model.vtd.posted_interrupts import CONTROL, OUTSTANDING
from tests.hardware_model.vmx.virtual_apic_guest import (
    DESCRIPTOR,
    NOTIFICATION,
    counted,
    delivered,
    page,
    post,
    posts,
    run_guest,
)
from tests.small_guest import APIC

VALID = 1 << 31
ON = "push 0x202; popfq\n"


def test_a_posted_interrupt_is_delivered_before_the_next_instruction_without_an_exit():
    run = run_guest(ON + "cpuid; at: nop; cli", on_exit=posts(0x41))
    assert run.reasons == [Reason.CPUID]
    assert delivered(run) == [(0x41, run.at("at"))]
    assert counted(run, "vmx.posted") == counted(run, "vmx.virtual_interrupt") == 1
    assert counted(run, "interrupt.delivered") == 1
    assert counted(run, "injection.interrupt") == 0


def test_afterwards_the_descriptor_and_the_page_are_empty():
    run = run_guest(ON + "cpuid; nop; cli", on_exit=posts(0x41, 0x7F))
    memory = run.machine.memory
    assert not any(memory.read64(DESCRIPTOR + 8 * n) for n in range(4))
    assert not memory.read64(DESCRIPTOR + CONTROL) & OUTSTANDING
    assert page(run).vectors(0x200) == 0
    assert not run.machine.platform.apic.deliverable


def test_the_higher_vector_comes_first_and_the_other_when_it_has_ended():
    run = run_guest(ON + "cpuid; at: nop; cli", on_exit=posts(0x41, 0x61, 0x42))
    assert delivered(run) == [(vector, run.at("at")) for vector in (0x61, 0x42, 0x41)]
    assert (counted(run, "vmx.posted"), counted(run, "vmx.virtual_interrupt")) == (1, 3)
    assert run.vmx.read(Field.GUEST_INTERRUPT_STATUS) == 0
    assert (page(run).vectors(0x100), page(run).register(0xA0)) == (0, 0)


def test_an_interrupt_in_service_holds_back_its_class_until_its_end():
    """The handler of vector 0x80 gives no end of interrupt; the text does."""
    text = ON + f"cpuid; at: nop; mov rbx, {APIC:#x}; mov dword ptr [rbx+0xb0], 0; then: nop; cli"
    run = run_guest(text, on_exit=posts(0x80, 0x81, 0x41))
    assert delivered(run) == [(0x81, run.at("at")), (0x80, run.at("then"))]
    assert run.vmx.read(Field.GUEST_INTERRUPT_STATUS) == 0x80 << 8 | 0x41


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("cpuid; sti; nop; at: nop; cli", "at"),
        ("cpuid; sti; mov ss, cx; at: nop; cli", "at"),
        ("cpuid; sti; hlt; at: cli", "at"),
        ("cpuid; push 0x202; popfq; at: nop; cli", "at"),
        ("cpuid; sti; cli; nop", None),
    ],
)
def test_it_waits_for_the_interrupt_flag_and_the_shadow(text, label):
    run = run_guest(
        "mov esi, 0x10\n" + text.replace("cpuid;", "cpuid; mov ecx, esi;"), on_exit=posts(0x41)
    )
    assert run.reasons == [Reason.CPUID]
    assert delivered(run) == ([(0x41, run.at(label))] if label else [])


@pytest.mark.parametrize("lower", ["mov cr8, rax", "mov [rbx+0x80], eax"])
def test_the_task_priority_holds_it_back_until_it_is_lowered(lower):
    text = f"mov eax, 4; mov cr8, rax; {ON} cpuid; mov rbx, {APIC:#x}; xor eax, eax; nop; {lower}; at: nop; cli"
    run = run_guest(text, on_exit=posts(0x4F))
    assert run.reasons == [Reason.CPUID]
    assert delivered(run) == [(0x4F, run.at("at"))]


def test_an_ipi_to_itself_needs_no_exit_and_one_to_its_number_is_the_vmms():
    text = (
        ON
        + f"mov rbx, {APIC:#x}; mov dword ptr [rbx+0x300], 0x40041; at: nop; mov dword ptr [rbx+0x300], 0x42; behind: nop; cli"
    )
    run = run_guest(text, on_exit=lambda run, seen: True)
    assert delivered(run) == [(0x41, run.at("at"))]
    seen = run.only_exit()
    assert (seen.reason, seen.qualification, seen.rip) == (
        Reason.APIC_WRITE,
        0x300,
        run.at("behind"),
    )


def test_the_bitmap_makes_the_end_of_an_interrupt_exit_behind_it():
    run = run_guest(
        ON + "cpuid; at: nop; cli",
        fields={Field.EOI_EXIT_BITMAP1: 1 << 1},
        on_exit=lambda run, seen: post(run, 0x41, 0x42) if seen.reason is Reason.CPUID else True,
    )
    assert run.reasons == [Reason.CPUID, Reason.VIRTUALIZED_EOI]
    assert run.exits[1].qualification == 0x41
    assert [vector for vector, _ in delivered(run)] == [0x42, 0x41]


def test_another_vector_exits_acknowledged():
    def on_exit(run, seen):
        if seen.reason is Reason.CPUID:
            run.machine.platform.apic.request(0x55)
            post(run, 0x41)
            return None
        return True

    run = run_guest(ON + "cpuid; at: nop; cli", on_exit=on_exit)
    assert run.reasons == [Reason.CPUID, Reason.EXTERNAL_INTERRUPT]
    assert run.exits[1].info == VALID | 0x55
    assert delivered(run) == [(0x41, run.at("at"))]


def test_what_is_posted_while_a_notification_is_outstanding_comes_with_it():
    def on_exit(run, seen):
        post(run, 0x41)
        post(run, 0x42)
        apic = run.machine.platform.apic
        assert apic.read_register(0x270, 4) == 1 << NOTIFICATION - 0xE0

    run = run_guest(ON + "cpuid; nop; cli", on_exit=on_exit)
    assert [vector for vector, _ in delivered(run)] == [0x42, 0x41]
    assert counted(run, "vmx.posted") == 1


def test_a_request_that_the_vmm_puts_into_the_page_is_seen_at_the_entry():
    def on_exit(run, seen):
        page(run).set_vectors(0x200, 1 << 0x41)
        run.vmx.write(Field.GUEST_INTERRUPT_STATUS, 0x41)

    run = run_guest(ON + "cpuid; at: nop; cli", on_exit=on_exit)
    assert (run.reasons, delivered(run)) == ([Reason.CPUID], [(0x41, run.at("at"))])
    assert counted(run, "vmx.posted") == 0


def test_an_open_interrupt_window_comes_before_virtual_interrupts():
    window = int(Primary.INTERRUPT_WINDOW_EXITING)

    def on_exit(run, seen):
        controls = run.vmx.read(Field.PRIMARY_CONTROLS)
        opens = seen.reason is Reason.CPUID
        run.vmx.write(Field.PRIMARY_CONTROLS, controls | window if opens else controls & ~window)
        if opens:
            post(run, 0x41)

    run = run_guest(ON + "cpuid; at: nop; cli", on_exit=on_exit)
    assert run.reasons == [Reason.CPUID, Reason.INTERRUPT_WINDOW]
    assert delivered(run) == [(0x41, run.at("at"))]


def later(vector, *posted, after=500):
    """A VMM that has the machine's timer interrupt with `vector` in a while, and something in PIR by then."""

    def on_exit(run, seen):
        if seen.reason is Reason.CPUID:
            for one in posted:
                run.machine.memory.write64(DESCRIPTOR + (one >> 6) * 8, 1 << (one & 63))
            run.machine.platform.apic.arm(run.machine.now + after, vector)
            run.machine.set_deadline()
            return None
        return True

    return on_exit


def test_a_halted_guest_is_woken_at_the_notification_without_an_exit():
    run = run_guest("cpuid; sti; hlt; at: cli", on_exit=later(NOTIFICATION, 0x41))
    assert run.reasons == [Reason.CPUID]
    assert delivered(run) == [(0x41, run.at("at"))]
    assert counted(run, "vmx.posted") == 1
    assert run.machine.now - run.exits[0].time > 500


def test_a_notification_of_nothing_deliverable_leaves_the_guest_halted():
    text = "mov eax, 4; mov cr8, rax; cpuid; sti; hlt; at: cli"
    run = run_guest(text, on_exit=later(NOTIFICATION, 0x41))
    assert run.end is End.HALTED
    assert (run.reasons, delivered(run)) == ([Reason.CPUID], [])
    assert counted(run, "vmx.posted") == 1


@pytest.mark.parametrize("vector", [NOTIFICATION, 0x55])
def test_a_guest_that_halts_with_interrupts_off_is_at_its_end(vector):
    run = run_guest("cpuid; cli; hlt; at: nop", on_exit=later(vector, 0x41))
    assert run.end is End.HALTED
    assert run.reasons == [Reason.CPUID]
    assert run.machine.registers.rip == run.at("at")


def test_the_vmms_interrupt_exits_from_the_halt_and_the_guest_sleeps_on():
    states = []

    def on_exit(run, seen):
        states.append(run.vmx.read(Field.GUEST_ACTIVITY_STATE))
        return later(0x55)(run, seen)

    run = run_guest("cpuid; sti; hlt; at: cli", on_exit=on_exit)
    assert run.end is End.HALTED
    assert run.reasons == [Reason.CPUID, Reason.EXTERNAL_INTERRUPT]
    assert (run.exits[1].info, run.exits[1].rip) == (VALID | 0x55, run.at("at"))
    assert states == [ActivityState.ACTIVE, ActivityState.HLT]


def test_an_injected_interrupt_ends_the_halt():
    def on_exit(run, seen):
        if seen.reason is Reason.EXTERNAL_INTERRUPT:
            run.vmx.write(Field.ENTRY_INTERRUPTION_INFO, VALID | 0x42)
            return True
        return later(0x55)(run, seen)

    run = run_guest("cpuid; sti; hlt; at: cli", on_exit=on_exit)
    assert run.end is End.EXITED
    assert delivered(run) == [(0x42, run.at("at"))]
    assert run.vmx.read(Field.GUEST_ACTIVITY_STATE) == ActivityState.ACTIVE
