"""The APIC-access page: what the virtual-APIC page serves and what exits, against SDM vol. 3C 29.4.2 and 29.4.3."""

from __future__ import annotations

import pytest

from hardware_model.machine import End
from hardware_model.vmx.exit_reasons import Reason
from hardware_model.vmx.fields import Field
from hardware_model.vmx.qualifications import ApicAccess, ApicAccessType
from tests.hardware_model.vmx.virtual_apic_guest import (
    ACCESSES,
    DELIVERY,
    REGISTERS,
    counted,
    page,
    run_guest,
)
from tests.small_guest import APIC, DATA

OFFSETS = range(0, 0x400, 0x10)
# The lists of 29.4.2 and 29.4.3.1, written out.
READ = {
    *(0x020, 0x030, 0x080, 0x0B0, 0x0D0, 0x0E0, 0x0F0, 0x280, 0x300, 0x310, 0x380, 0x3E0),
    *range(0x100, 0x280, 0x10),
    *range(0x320, 0x380, 0x10),
}
WRITTEN = {
    *(0x020, 0x080, 0x0B0, 0x0D0, 0x0E0, 0x0F0, 0x280, 0x300, 0x310, 0x380, 0x3E0),
    *range(0x320, 0x380, 0x10),
}
SERVED = {
    ACCESSES: ({0x080}, {0x080}),
    ACCESSES | DELIVERY: ({0x080}, {0x080, 0x0B0, 0x300}),
    ACCESSES | REGISTERS: (READ, WRITTEN),
    ACCESSES | REGISTERS | DELIVERY: (READ, WRITTEN),
}


def step_over(run, seen):
    """A VMM that completes what it is asked for by doing nothing."""
    if seen.reason is Reason.APIC_ACCESS:
        run.vmx.skip_instruction()
    return True


@pytest.mark.parametrize("secondary", SERVED, ids=str)
def test_loads_exit_unless_the_page_serves_them(secondary):
    text = "\n".join(f"mov eax, [{APIC + at:#x}]" for at in OFFSETS).replace("[0x", "[0x")
    text = f"mov rbx, {APIC:#x}\n" + "\n".join(f"mov eax, [rbx+{at:#x}]" for at in OFFSETS)
    run = run_guest(text, secondary, on_exit=step_over)
    assert run.end is End.EXITED
    asked = [ApicAccess.decode(seen.qualification) for seen in run.exits]
    assert {seen.reason for seen in run.exits} == {Reason.APIC_ACCESS}
    assert [one.offset for one in asked] == [at for at in OFFSETS if at not in SERVED[secondary][0]]
    assert {one.type for one in asked} == {ApicAccessType.LINEAR_READ}
    assert counted(run, "vmx.apic_access") == len(SERVED[secondary][0])


@pytest.mark.parametrize("secondary", SERVED, ids=str)
def test_stores_exit_before_or_behind_the_instruction_or_not_at_all(secondary):
    text = f"mov rbx, {APIC:#x}\n" + "\n".join(f"mov dword ptr [rbx+{at:#x}], 0" for at in OFFSETS)
    run = run_guest(text, secondary, on_exit=step_over)
    served = SERVED[secondary][1]
    before = [seen for seen in run.exits if seen.reason is Reason.APIC_ACCESS]
    assert [ApicAccess.decode(seen.qualification) for seen in before] == [
        ApicAccess(at, ApicAccessType.LINEAR_WRITE) for at in OFFSETS if at not in served
    ]
    behind = [seen.qualification for seen in run.exits if seen.reason is Reason.APIC_WRITE]
    silent = {0x080, 0x310} | ({0x0B0} if secondary & DELIVERY else set())
    assert behind == sorted(served - silent)
    assert len(run.exits) == len(before) + len(behind)


@pytest.mark.parametrize(
    ("access", "served"),
    [
        ("mov al, [rbx+0x80]", True),
        ("mov ax, [rbx+0x82]", True),
        ("movzx eax, byte ptr [rbx+0x83]", True),
        ("mov rax, [rbx+0x80]", False),
        ("mov ax, [rbx+0x83]", False),
        ("mov eax, [rbx+0x84]", False),
        ("mov eax, [rbx+0x7e]", False),
        ("or dword ptr [rbx+0x80], 1", False),
    ],
)
def test_an_access_must_lie_in_the_register(access, served):
    run = run_guest(f"mov rbx, {APIC:#x}\n{access}", on_exit=step_over)
    assert run.end is End.EXITED
    assert [seen.reason for seen in run.exits] == ([] if served else [Reason.APIC_ACCESS])


def test_a_load_gets_what_stands_in_the_page():
    def prepare(run):
        page(run).set_register(0x030, 0x00050014)
        page(run).set_register(0x220, 0x12345678)

    text = f"mov rbx, {APIC:#x}; mov eax, [rbx+0x30]; mov [DATA], rax; movsx rax, word ptr [rbx+0x222]; mov [DATA+8], rax"
    run = run_guest(text, prepare=prepare)
    assert run.exits == []
    assert (run.word(DATA), run.word(DATA + 8)) == (0x50014, 0x1234)


def test_a_store_is_in_the_page_when_it_exits_behind_the_instruction():
    text = f"mov rbx, {APIC:#x}; mov ecx, 0x1ff; mov [rbx+0xf0], ecx; behind: nop"
    run = run_guest(text, on_exit=lambda run, seen: True)
    seen = run.only_exit()
    assert (seen.reason, seen.qualification, seen.rip) == (
        Reason.APIC_WRITE,
        0xF0,
        run.at("behind"),
    )
    assert page(run).register(0xF0) == 0x1FF


def test_what_the_page_does_not_keep_of_a_store_is_cleared():
    text = f"mov rbx, {APIC:#x}; mov eax, -1; mov [rbx+0x80], eax; mov [rbx+0x310], eax; mov [rbx+0xb0], eax"
    run = run_guest(text)
    assert run.exits == []
    assert [page(run).register(at) for at in (0x80, 0x310, 0xB0)] == [0xFF, 0xFF000000, 0]


def test_without_virtual_interrupts_the_task_priority_exits_below_its_threshold():
    text = f"mov rbx, {APIC:#x}; mov dword ptr [rbx+0x80], 0x30; mov dword ptr [rbx+0x80], 0x2f; behind: nop"
    run = run_guest(
        text,
        ACCESSES,
        fields={Field.TPR_THRESHOLD: 3},
        prepare=lambda run: page(run).set_register(0x80, 0x40),
        on_exit=lambda run, seen: True,
    )
    seen = run.only_exit()
    assert (seen.reason, seen.rip) == (Reason.TPR_BELOW_THRESHOLD, run.at("behind"))


def test_a_push_of_event_delivery_into_the_page_exits_as_one():
    text = f"mov rsp, {APIC + 0x100:#x}; at: int 0x80"

    def on_exit(run, seen):
        run.machine.end()
        return True

    run = run_guest(text, on_exit=on_exit)
    (seen,) = run.exits
    access = ApicAccess.decode(seen.qualification)
    assert (seen.reason, access.type) == (
        Reason.APIC_ACCESS,
        ApicAccessType.LINEAR_EVENT_DELIVERY,
    )
    assert (seen.rip, seen.vectoring & 0xFFF) == (run.at("at"), 4 << 8 | 0x80)
