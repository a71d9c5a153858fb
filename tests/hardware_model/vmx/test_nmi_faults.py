"""Faults around non-maskable interrupts: what they tell of blocking, by SDM vol. 3C 27.2.3."""

from __future__ import annotations

from hardware_model.vmx.exit_reasons import Reason
from hardware_model.vmx.fields import Field

from .nmi_guest import (
    BLOCKED,
    EXCEPTION,
    EXITS,
    NMI,
    RULES,
    UNBLOCKING,
    VALID,
    VIRTUAL,
    block,
    exits,
    inject,
    log,
    unblock,
)


@RULES
def test_a_fault_of_iret_tells_whether_it_ended_blocking(vmx_guest, pin):
    """IRET from a stack that is not mapped; its page fault exits (SDM vol. 3C 27.2.3)."""
    text = "cpuid; mov rax, rsp; mov rsp, 0x700000; here: iretq; at: nop"

    def on_exit(run, seen):
        if seen.reason is Reason.CPUID:
            run.vmx.skip_instruction()
            block(run)
        else:
            run.vmx.write(Field.GUEST_RSP, run.gpr("rax"))
            run.vmx.write(Field.GUEST_RIP, run.at("at"))
        return True

    run = vmx_guest(text, pin=pin, fields={Field.EXCEPTION_BITMAP: 1 << 14}, on_exit=on_exit)
    unblocking = 0 if pin is EXITS else UNBLOCKING
    blocked = BLOCKED if pin is EXITS else 0
    info = VALID | EXCEPTION | 1 << 11 | 14 | unblocking
    assert exits(run) == [(Reason.EXCEPTION_NMI, info, run.at("here"), blocked)]


def test_a_fault_of_iret_outside_blocking_tells_nothing(vmx_guest):
    def on_exit(run, seen):
        run.vmx.write(Field.GUEST_RSP, run.gpr("rax"))
        run.vmx.write(Field.GUEST_RIP, run.at("at"))
        return True

    text = "mov rax, rsp; mov rsp, 0x700000; here: iretq; at: nop"
    run = vmx_guest(text, pin=VIRTUAL, fields={Field.EXCEPTION_BITMAP: 1 << 14}, on_exit=on_exit)
    assert run.only_exit().info == VALID | EXCEPTION | 1 << 11 | 14


def test_an_nmi_whose_delivery_exits_has_begun_blocking(vmx_guest):
    """The VMM ends the blocking before it injects again, as the check of virtual NMIs wants it."""

    def on_exit(run, seen):
        if seen.reason is Reason.CPUID:
            run.vmx.skip_instruction()
            inject(run)
            return True
        assert (seen.vectoring, seen.interruptibility) == (NMI, BLOCKED)
        run.machine.memory.write(0x101000 + 16 * 2 + 5, b"\x8e")
        unblock(run)
        return False

    run = vmx_guest(
        "cpuid; at: nop; nop",
        pin=VIRTUAL,
        gates={2: {"present": False}},
        fields={Field.EXCEPTION_BITMAP: 1 << 11},
        on_exit=on_exit,
    )
    assert log(run) == [(2, run.at("at"))]
