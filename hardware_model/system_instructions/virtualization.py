"""Rows: instructions of VMX, safer mode and system management (SDM vol. 3C 25.1.2, 30)."""

from __future__ import annotations

from hardware_model.system_instructions.row import SystemInstruction

_REPLACED = "UD2: #UD"
_NO_VMX = "the guest is not offered VMX, so it raises #UD natively"


def _absent(
    mnemonic: str,
    forms: str,
    cost_key: str,
    exit: str,
    exit_reason: str = "",
    pv: str = "avoided",
    bt: str = "copied: #UD",
) -> SystemInstruction:
    return SystemInstruction(
        mnemonic=mnemonic,
        forms=forms,
        cost_key=cost_key,
        privilege="invalid",
        fault="ud",
        sensitivity="none",
        reason=_NO_VMX,
        at_cpl1="invalid",
        cpl1="#UD at any CPL",
        exit=exit,
        exit_reason=exit_reason,
        bt=bt,
        pv=pv,
    )


ROWS = (
    _absent("VMCALL", "0F 01 C1", "vmcall", "always", "vmcall", bt=_REPLACED),
    _absent("VMLAUNCH", "0F 01 C2", "vmx", "always", "vmlaunch", bt=_REPLACED),
    _absent("VMRESUME", "0F 01 C3", "vmx", "always", "vmresume", bt=_REPLACED),
    _absent("VMXOFF", "0F 01 C4", "vmx", "always", "vmxoff"),
    _absent("VMXON", "F3 0F C7 /6", "vmx", "always", "vmxon"),
    _absent("VMCLEAR", "66 0F C7 /6", "vmx", "always", "vmclear"),
    _absent("VMPTRLD", "0F C7 /6", "vmx", "always", "vmptrld"),
    _absent("VMPTRST", "0F C7 /7", "vmx", "always", "vmptrst"),
    _absent("VMREAD", "0F 78", "vmx", "always", "vmread"),
    _absent("VMWRITE", "0F 79", "vmx", "always", "vmwrite"),
    _absent("INVEPT", "66 0F 38 80", "vmx", "always", "invept"),
    _absent("INVVPID", "66 0F 38 81", "vmx", "always", "invvpid"),
    _absent("GETSEC", "0F 37", "getsec", "always", "getsec"),
    _absent("RSM", "0F AA", "rsm", "never", bt=_REPLACED),
    _absent(
        "UD2",
        "0F 0B, 0F B9, 0F FF",
        "ud",
        "exception bitmap",
        "exception_nmi",
        pv="trap: with a prefix it asks for an emulated CPUID",
    ),
)
