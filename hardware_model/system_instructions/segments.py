"""Rows: selectors, descriptors and far transfers (SDM vol. 3A 5.5-5.8, 5.10; vol. 2).

The checks of these instructions compare CPL and the selector's RPL with the descriptor's DPL. A
deprivileged kernel has CPL 1 and descriptors that the VMM moved from DPL 0 to DPL 1; so a selector
with RPL 1, which is refused at CPL0 (RPL > DPL), is accepted.
"""

from __future__ import annotations

from hardware_model.system_instructions.row import SystemInstruction

_LOADED = (
    "callout: the processor would load the VMM's descriptor, which may be older than the guest's, "
    "and refuses SS with RPL 0 at CPL 1"
)
_RPL1 = "a selector with RPL 1 is accepted, which is refused at CPL0"


def _check(mnemonic: str, opcode: str, reason: str, cpl1: str) -> SystemInstruction:
    """An instruction that reports on a descriptor in ZF."""
    return SystemInstruction(
        mnemonic=mnemonic,
        forms=opcode,
        cost_key=mnemonic.lower(),
        privilege="none",
        sensitivity="behaviour",
        reason=reason,
        robin_irvine=True,
        long_mode="unchanged: descriptors keep DPL and type, although base and limit are not used",
        at_cpl1="differs",
        cpl1=cpl1,
        differs=(mnemonic.lower(),),
        bt="in-cache: answers from the guest's own descriptor, by its table registers on the state page, as for CPL 0",
        pv="executes: the port knows its ring",
    )


def _far(
    mnemonic: str, forms: str, cost_key: str, cpl1: str, long_mode: str, probe: str
) -> SystemInstruction:
    """A far transfer of control."""
    return SystemInstruction(
        mnemonic=mnemonic,
        forms=forms,
        cost_key=cost_key,
        privilege="none",
        sensitivity="behaviour",
        reason="compares CPL and RPL with the DPL of the target and changes CPL",
        robin_irvine=True,
        long_mode=long_mode,
        at_cpl1="differs",
        cpl1=cpl1,
        differs=(probe,),
        bt="callout: at CPL 1 a CS with RPL 0 is refused, and the VMM notes a change of CS",
        pv="executes with the selectors of the port's ring",
    )


ROWS = (
    _check(
        "LAR",
        "0F 02 /r",
        "shows a descriptor's DPL and type, if CPL and RPL permit it",
        f"the DPL of the kernel's segments reads as 1; {_RPL1}",
    ),
    _check("LSL", "0F 03 /r", "shows a segment's limit, if CPL and RPL permit it", _RPL1),
    _check("VERR", "0F 00 /4", "tells whether a segment is readable at this CPL and RPL", _RPL1),
    _check("VERW", "0F 00 /5", "tells whether a segment is writable at this CPL and RPL", _RPL1),
    SystemInstruction(
        mnemonic="MOV r, CS|SS",
        forms="8C /1, 8C /2",
        cost_key="mov_from_sreg",
        privilege="none",
        sensitivity="behaviour",
        reason="the selector's RPL is the CPL",
        robin_irvine=True,
        long_mode="unchanged",
        at_cpl1="differs",
        cpl1="bits 1:0 read as 1",
        differs=("mov-from-cs", "mov-from-ss"),
        bt="in-cache or callout: loads the guest's selector from the state page; "
        "the VMM where a RIP-relative operand is out of reach",
        pv="executes: the port knows its ring",
    ),
    SystemInstruction(
        mnemonic="MOV r, DS|ES|FS|GS",
        forms="8C /0, 8C /3-5",
        cost_key="mov_from_sreg",
        privilege="none",
        sensitivity="none",
        reason="shows the selector that the same kernel loaded",
        at_cpl1="same",
        cpl1="reads as loaded",
        bt="copied",
        pv="executes",
    ),
    SystemInstruction(
        mnemonic="MOV sreg, r",
        forms="8E /r",
        cost_key="mov_to_sreg",
        privilege="none",
        sensitivity="behaviour",
        reason="compares CPL and RPL with the descriptor's DPL",
        robin_irvine=True,
        long_mode="unchanged: base and limit are not used, DPL and RPL are checked; no MOV to CS",
        at_cpl1="differs",
        cpl1=f"SS with RPL 0 raises #GP and can be emulated; {_RPL1}",
        differs=("mov-to-ss", "mov-to-ds"),
        bt=_LOADED,
        pv="executes with the selectors of the port's ring",
    ),
    SystemInstruction(
        mnemonic="PUSH CS|SS|DS|ES",
        forms="none in 64-bit mode (0E, 16, 1E, 06)",
        cost_key="invalid",
        privilege="invalid",
        fault="ud",
        sensitivity="behaviour",
        reason="the RPL of CS and SS is the CPL",
        robin_irvine=True,
        long_mode="does not apply: these opcodes raise #UD in 64-bit mode",
        at_cpl1="invalid",
        cpl1="#UD at any CPL",
        bt="UD2: #UD",
        pv="avoided",
    ),
    SystemInstruction(
        mnemonic="PUSH FS|GS",
        forms="0F A0, 0F A8",
        cost_key="push_sreg",
        privilege="none",
        sensitivity="none",
        reason="shows the selector that the same kernel loaded",
        robin_irvine=True,
        long_mode="what is left of PUSH: it cannot store CS or SS, so it does not show the ring",
        at_cpl1="same",
        cpl1="stores the selector as it was loaded",
        agrees=("push-fs",),
        bt="copied",
        pv="executes",
    ),
    SystemInstruction(
        mnemonic="POP SS|DS|ES",
        forms="none in 64-bit mode (17, 1F, 07)",
        cost_key="invalid",
        privilege="invalid",
        fault="ud",
        sensitivity="behaviour",
        reason="compares CPL and RPL with the descriptor's DPL",
        robin_irvine=True,
        long_mode="does not apply: these opcodes raise #UD in 64-bit mode",
        at_cpl1="invalid",
        cpl1="#UD at any CPL",
        bt="UD2: #UD",
        pv="avoided",
    ),
    SystemInstruction(
        mnemonic="POP FS|GS",
        forms="0F A1, 0F A9",
        cost_key="pop_sreg",
        privilege="none",
        sensitivity="behaviour",
        reason="compares CPL and RPL with the descriptor's DPL",
        robin_irvine=True,
        long_mode="what is left of POP",
        at_cpl1="differs",
        cpl1=_RPL1,
        differs=("pop-fs",),
        bt=_LOADED,
        pv="executes with the selectors of the port's ring",
    ),
    SystemInstruction(
        mnemonic="LSS, LFS, LGS",
        forms="0F B2, 0F B4, 0F B5",
        cost_key="load_far_pointer",
        privilege="none",
        sensitivity="behaviour",
        reason="compares CPL and RPL with the descriptor's DPL, as MOV to a segment register does",
        at_cpl1="differs",
        cpl1=_RPL1,
        differs=("lfs",),
        bt=_LOADED,
        pv="executes with the selectors of the port's ring",
    ),
    _far(
        "CALL far",
        "FF /3",
        "far_call",
        f"the CS on the stack has RPL 1; {_RPL1}",
        "through memory only: CALL ptr16:32 raises #UD; call gates have 16 bytes",
        "call-far",
    ),
    _far(
        "JMP far",
        "FF /5",
        "far_jump",
        _RPL1,
        "through memory only: JMP ptr16:32 raises #UD; there are no task gates",
        "jmp-far",
    ),
    _far(
        "RET far",
        "CA iw, CB",
        "far_ret",
        f"a CS with RPL 0 raises #GP and can be emulated; {_RPL1}",
        "unchanged",
        "ret-far",
    ),
    SystemInstruction(
        mnemonic="SWAPGS",
        forms="0F 01 F8",
        cost_key="swapgs",
        privilege="cpl0",
        sensitivity="control",
        reason="exchanges the GS base with an MSR",
        at_cpl1="traps",
        cpl1="#GP(0)",
        agrees=("swapgs",),
        bt="callout: only SWAPGS and WRMSR, which need CPL 0, load 64 bits of the base of GS on a processor "
        "without WRGSBASE",
        pv="avoided: the VMM exchanges the bases when it enters the kernel",
    ),
    SystemInstruction(
        mnemonic="RDFSBASE, RDGSBASE, WRFSBASE, WRGSBASE",
        forms="F3 0F AE /0-3",
        cost_key="rdfsbase",
        privilege="invalid",
        fault="ud",
        sensitivity="none",
        reason="not on this machine: CPUID does not advertise FSGSBASE",
        at_cpl1="invalid",
        cpl1="#UD at any CPL",
        bt="copied: #UD",
        pv="avoided",
    ),
)
