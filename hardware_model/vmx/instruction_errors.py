"""VMfailValid: the VM-instruction error numbers (SDM vol. 3C 30.4, table 30-1)."""

from __future__ import annotations

from enum import IntEnum


class InstructionError(IntEnum):
    """A VM-instruction error number; `doc` is the table's sentence."""

    doc: str

    def __new__(cls, number: int, doc: str = "") -> InstructionError:
        """Make a member from its number and its meaning."""
        member = int.__new__(cls, number)
        member._value_ = number
        member.doc = doc
        return member

    VMCALL_IN_ROOT = 1, "VMCALL executed in VMX root operation"
    VMCLEAR_INVALID_ADDRESS = 2, "VMCLEAR with invalid physical address"
    VMCLEAR_VMXON_POINTER = 3, "VMCLEAR with VMXON pointer"
    VMLAUNCH_NON_CLEAR = 4, "VMLAUNCH with non-clear VMCS"
    VMRESUME_NON_LAUNCHED = 5, "VMRESUME with non-launched VMCS"
    VMRESUME_AFTER_VMXOFF = 6, "VMRESUME after VMXOFF"
    ENTRY_INVALID_CONTROL = 7, "VM entry with invalid control field(s)"
    ENTRY_INVALID_HOST_STATE = 8, "VM entry with invalid host-state field(s)"
    VMPTRLD_INVALID_ADDRESS = 9, "VMPTRLD with invalid physical address"
    VMPTRLD_VMXON_POINTER = 10, "VMPTRLD with VMXON pointer"
    VMPTRLD_INCORRECT_REVISION = 11, "VMPTRLD with incorrect VMCS revision identifier"
    UNSUPPORTED_COMPONENT = 12, "VMREAD/VMWRITE from/to unsupported VMCS component"
    READ_ONLY_COMPONENT = 13, "VMWRITE to read-only VMCS component"
    VMXON_IN_ROOT = 15, "VMXON executed in VMX root operation"
    ENTRY_INVALID_EXECUTIVE_POINTER = 16, "VM entry with invalid executive-VMCS pointer"
    ENTRY_NON_LAUNCHED_EXECUTIVE = 17, "VM entry with non-launched executive VMCS"
    ENTRY_EXECUTIVE_NOT_VMXON = 18, "VM entry with executive-VMCS pointer not VMXON pointer"
    VMCALL_NON_CLEAR = 19, "VMCALL with non-clear VMCS"
    VMCALL_INVALID_EXIT_CONTROL = 20, "VMCALL with invalid VM-exit control fields"
    VMCALL_INCORRECT_MSEG_REVISION = 22, "VMCALL with incorrect MSEG revision identifier"
    VMXOFF_UNDER_DUAL_MONITOR = 23, "VMXOFF under dual-monitor treatment of SMIs and SMM"
    VMCALL_INVALID_SMM_MONITOR = 24, "VMCALL with invalid SMM-monitor features"
    ENTRY_INVALID_CONTROL_IN_EXECUTIVE = 25, "VM entry with invalid controls in executive VMCS"
    ENTRY_BLOCKED_BY_MOV_SS = 26, "VM entry with events blocked by MOV SS"
    INVALID_OPERAND_TO_INVEPT_INVVPID = 28, "Invalid operand to INVEPT/INVVPID"


class VmFailValid(Exception):
    """A VMX instruction failed with a current VMCS; `error` is the VM-instruction error number."""

    def __init__(self, error: InstructionError, detail: str) -> None:
        """Fail with `error`; `detail` names the field and what was wrong with it."""
        super().__init__(f"{detail} (VM-instruction error {int(error)}: {error.doc})")
        self.error = error
