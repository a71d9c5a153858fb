"""The VMCS that a hardware-assisted VMM sets up for its guest."""

from __future__ import annotations

from hardware_model.boot import CpuState
from hardware_model.executor.registers import Segment
from hardware_model.vmx.capabilities import Capabilities
from hardware_model.vmx.controls import Entry, Exit, PinBased, Primary, Secondary
from hardware_model.vmx.feature_levels import FeatureLevel
from hardware_model.vmx.fields import Field
from hardware_model.vmx.guest_state import access_rights
from hardware_model.vmx.segments import CS, DS, ES, FS, GS, LDTR, SS, TR, UNUSABLE, SegmentFields
from hardware_model.vmx.transitions import Vmx

CR0_NE, CR4_VMXE = 1 << 5, 1 << 13
_HOST_SELECTOR_CODE, _HOST_SELECTOR_DATA, _HOST_SELECTOR_TSS = 0x08, 0x10, 0x18
_HOST_BASE = 0xFFFF880000000000


def set_controls(
    vmx: Vmx,
    primary: Primary,
    secondary: Secondary = Secondary(0),  # noqa: B008
    *,
    pin_based: PinBased = PinBased.EXTERNAL_INTERRUPT_EXITING,
    leave: Exit = Exit(0),  # noqa: B008
) -> None:
    """Write the control fields; bits that the processor requires to be 1 are added."""
    capabilities = vmx.capabilities
    if secondary:
        primary |= Primary.ACTIVATE_SECONDARY_CONTROLS
    exit_controls, entry_controls = leave | Exit.HOST_ADDRESS_SPACE_SIZE, Entry.IA32E_MODE_GUEST
    if capabilities.level >= FeatureLevel.EPT:
        exit_controls |= Exit.SAVE_EFER | Exit.LOAD_EFER
        entry_controls |= Entry.LOAD_EFER
    vmx.write(Field.PIN_BASED_CONTROLS, pin_based | capabilities.pin_based.must)
    vmx.write(Field.PRIMARY_CONTROLS, primary | _required_primary(capabilities))
    if secondary:
        vmx.write(Field.SECONDARY_CONTROLS, secondary)
    vmx.write(Field.EXIT_CONTROLS, exit_controls | capabilities.exit.must)
    vmx.write(Field.ENTRY_CONTROLS, entry_controls | capabilities.entry.must)
    vmx.write(Field.VMCS_LINK_POINTER, (1 << 64) - 1)


def _required_primary(capabilities: Capabilities) -> int:
    return int(capabilities.primary.must)


def set_host_state(vmx: Vmx) -> None:
    """The VMM's own state; the VMM's code is outside the modelled machine, so only its form matters."""
    for name in ("ES", "SS", "DS", "FS", "GS"):
        vmx.write(Field[f"HOST_{name}_SELECTOR"], _HOST_SELECTOR_DATA)
    vmx.write(Field.HOST_CS_SELECTOR, _HOST_SELECTOR_CODE)
    vmx.write(Field.HOST_TR_SELECTOR, _HOST_SELECTOR_TSS)
    vmx.write(Field.HOST_CR0, 0x80010033)
    vmx.write(Field.HOST_CR4, 0x6A0 | CR4_VMXE)
    for field in (
        Field.HOST_TR_BASE,
        Field.HOST_GDTR_BASE,
        Field.HOST_IDTR_BASE,
        Field.HOST_RSP,
        Field.HOST_RIP,
    ):
        vmx.write(field, _HOST_BASE)
    if vmx.capabilities.level >= FeatureLevel.EPT:
        vmx.write(Field.HOST_IA32_EFER, 0xD01)


def _set_segment(vmx: Vmx, fields: SegmentFields, segment: Segment, *, rights: int) -> None:
    vmx.write(fields.selector, segment.selector)
    vmx.write(fields.base, segment.base)
    vmx.write(fields.limit, segment.limit)
    vmx.write(fields.access_rights, rights)


def set_guest_state(vmx: Vmx, state: CpuState) -> None:
    """The registers that the guest starts with, but for control registers, which belong to memory virtualization."""
    for fields in (ES, SS, DS, FS, GS):
        _set_segment(vmx, fields, state.data, rights=access_rights(state.data, system=False))
    _set_segment(vmx, CS, state.code, rights=access_rights(state.code, system=False))
    _set_segment(vmx, LDTR, Segment(0, 0, 0, 0), rights=UNUSABLE)
    _set_segment(vmx, TR, Segment(0, 0, 0x67, 0x8B00), rights=0x8B)
    for name, (base, limit) in (("GDTR", state.gdtr), ("IDTR", state.idtr)):
        vmx.write(Field[f"GUEST_{name}_BASE"], base)
        vmx.write(Field[f"GUEST_{name}_LIMIT"], limit)
    vmx.write(Field.GUEST_RIP, state.rip)
    vmx.write(Field.GUEST_RSP, state.rsp)
    vmx.write(Field.GUEST_RFLAGS, state.rflags)
    vmx.write(Field.GUEST_DR7, 0x400)
    if vmx.capabilities.level >= FeatureLevel.EPT:
        vmx.write(Field.GUEST_IA32_EFER, state.efer)
