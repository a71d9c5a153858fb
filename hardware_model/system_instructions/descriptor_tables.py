"""Rows: the descriptor-table registers and the task register (SDM vol. 3A 2.4; vol. 3C 24.6.2)."""

from __future__ import annotations

from hardware_model.system_instructions.row import SystemInstruction

_CONTROL = "Secondary.DESCRIPTOR_TABLE_EXITING"
_UMIP = "unchanged: no privilege needed; processors with CR4.UMIP set raise #GP above CPL0"


def _load(mnemonic: str, opcode: str, reason: str, exit_reason: str, pv: str) -> SystemInstruction:
    return SystemInstruction(
        mnemonic=mnemonic,
        forms=opcode,
        cost_key=mnemonic.lower(),
        privilege="cpl0",
        sensitivity="control",
        reason=reason,
        at_cpl1="traps",
        cpl1="#GP(0); the VMM notes the guest's table and keeps its own in the register",
        agrees=(mnemonic.lower(),),
        exit=_CONTROL,
        exit_reason=exit_reason,
        bt="callout: the VMM's own tables stay in the register, and the guest's become what they mirror",
        pv=pv,
    )


def _store(
    mnemonic: str, opcode: str, reason: str, cpl1: str, exit_reason: str
) -> SystemInstruction:
    return SystemInstruction(
        mnemonic=mnemonic,
        forms=opcode,
        cost_key=mnemonic.lower(),
        privilege="none",
        sensitivity="behaviour",
        reason=reason,
        robin_irvine=True,
        long_mode=_UMIP,
        at_cpl1="differs",
        cpl1=cpl1,
        differs=(mnemonic.lower(),),
        exit=_CONTROL,
        exit_reason=exit_reason,
        bt="in-cache or callout: stores the guest's value from the state page; "
        "the VMM where the operand is out of reach of the moved instruction",
        pv="executes: the port does not depend on it",
    )


ROWS = (
    _load(
        "LGDT",
        "0F 01 /2",
        "changes the table that gives segments their privilege",
        "gdtr_idtr_access",
        "hypercall set_gdt",
    ),
    _load(
        "LIDT",
        "0F 01 /3",
        "changes where interrupts and exceptions go",
        "gdtr_idtr_access",
        "hypercall set_trap_table",
    ),
    _load(
        "LLDT",
        "0F 00 /2",
        "changes the local descriptor table",
        "ldtr_tr_access",
        "hypercall mmuext_op set_ldt",
    ),
    _load(
        "LTR",
        "0F 00 /3",
        "changes the TSS: stacks of the inner rings and the I/O bitmap",
        "ldtr_tr_access",
        "hypercall stack_switch: the VMM owns the TSS",
    ),
    _store(
        "SGDT",
        "0F 01 /0",
        "stores GDTR as the processor has it, at any CPL",
        "base and limit are those of the VMM's GDT",
        "gdtr_idtr_access",
    ),
    _store(
        "SIDT",
        "0F 01 /1",
        "stores IDTR as the processor has it, at any CPL",
        "base and limit are those of the VMM's IDT",
        "gdtr_idtr_access",
    ),
    _store(
        "SLDT",
        "0F 00 /0",
        "stores LDTR's selector as the processor has it, at any CPL",
        "the selector is the VMM's, not what the guest gave to LLDT",
        "ldtr_tr_access",
    ),
    _store(
        "STR",
        "0F 00 /1",
        "stores TR's selector as the processor has it, at any CPL",
        "the selector is that of the VMM's TSS",
        "ldtr_tr_access",
    ),
)
