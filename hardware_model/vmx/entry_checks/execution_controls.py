"""Checks on the VM-execution control fields (SDM vol. 3C 26.2.1.1)."""

from __future__ import annotations

from hardware_model.vmx.controls import PinBased, Primary, Secondary
from hardware_model.vmx.entry_checks.predicates import (
    PRIMARY,
    is_page_address,
    pin_based,
    primary,
    secondary,
)
from hardware_model.vmx.entry_checks.rule import MemoryReader, RuleTable, Stage
from hardware_model.vmx.fields import Field
from hardware_model.vmx.vmcs import Vmcs

_SECTION = "26.2.1.1"
_PIN = Field.PIN_BASED_CONTROLS
_SECONDARY = Field.SECONDARY_CONTROLS
_VTPR_OFFSET = 0x80
_WALK_LENGTH_4 = 3 << 3
_EPT_ACCESSED_DIRTY = 1 << 6

EXECUTION_CONTROLS = RuleTable(Stage.CONTROL)
_rule = EXECUTION_CONTROLS.rule


def _is_page(v: Vmcs, field: Field) -> bool:
    return is_page_address(v.load(field), v.capabilities.physical_address_bits)


@_rule(_SECTION, _PIN)
def pin_based_controls_are_supported(v: Vmcs) -> bool:
    """reserved and unsupported controls must have their required setting"""
    return v.capabilities.pin_based.admits(v.load(_PIN))


@_rule(_SECTION, Field.PRIMARY_CONTROLS)
def primary_controls_are_supported(v: Vmcs) -> bool:
    """reserved and unsupported controls must have their required setting"""
    return v.capabilities.primary.admits(v.load(Field.PRIMARY_CONTROLS))


@_rule(_SECTION, _SECONDARY, PRIMARY)
def secondary_controls_are_supported(v: Vmcs) -> bool:
    """reserved and unsupported controls must have their required setting"""
    if not primary(v, Primary.ACTIVATE_SECONDARY_CONTROLS):
        return True
    return v.capabilities.secondary.admits(v.load(_SECONDARY))


@_rule(_SECTION, Field.CR3_TARGET_COUNT)
def cr3_target_count_is_supported(v: Vmcs) -> bool:
    """the CR3-target count must not exceed the number of CR3-target values"""
    return v.load(Field.CR3_TARGET_COUNT) <= v.capabilities.cr3_targets


@_rule(_SECTION, Field.IO_BITMAP_A, PRIMARY)
def io_bitmap_a_is_a_page(v: Vmcs) -> bool:
    """an I/O bitmap in use must be a 4-KByte-aligned physical address"""
    return not primary(v, Primary.USE_IO_BITMAPS) or _is_page(v, Field.IO_BITMAP_A)


@_rule(_SECTION, Field.IO_BITMAP_B, PRIMARY)
def io_bitmap_b_is_a_page(v: Vmcs) -> bool:
    """an I/O bitmap in use must be a 4-KByte-aligned physical address"""
    return not primary(v, Primary.USE_IO_BITMAPS) or _is_page(v, Field.IO_BITMAP_B)


@_rule(_SECTION, Field.MSR_BITMAPS, PRIMARY)
def msr_bitmaps_are_a_page(v: Vmcs) -> bool:
    """the MSR bitmaps in use must be a 4-KByte-aligned physical address"""
    return not primary(v, Primary.USE_MSR_BITMAPS) or _is_page(v, Field.MSR_BITMAPS)


@_rule(_SECTION, Field.VIRTUAL_APIC_ADDRESS, PRIMARY)
def virtual_apic_is_a_page(v: Vmcs) -> bool:
    """the virtual-APIC page in use must be a 4-KByte-aligned physical address"""
    return not primary(v, Primary.USE_TPR_SHADOW) or _is_page(v, Field.VIRTUAL_APIC_ADDRESS)


@_rule(_SECTION, Field.TPR_THRESHOLD, PRIMARY, _SECONDARY)
def tpr_threshold_is_four_bits(v: Vmcs) -> bool:
    """bits 31:4 must be 0 if the TPR shadow is used without virtual-interrupt delivery"""
    if not primary(v, Primary.USE_TPR_SHADOW):
        return True
    if secondary(v, Secondary.VIRTUAL_INTERRUPT_DELIVERY):
        return True
    return not v.load(Field.TPR_THRESHOLD) >> 4


@EXECUTION_CONTROLS.memory_rule(
    _SECTION, Field.TPR_THRESHOLD, Field.VIRTUAL_APIC_ADDRESS, PRIMARY, _SECONDARY
)
def tpr_threshold_does_not_exceed_vtpr(v: Vmcs, memory: MemoryReader) -> bool:
    """the threshold must not exceed bits 7:4 of VTPR unless APIC accesses or interrupts are virtualized"""
    if not primary(v, Primary.USE_TPR_SHADOW):
        return True
    if secondary(v, Secondary.VIRTUALIZE_APIC_ACCESSES | Secondary.VIRTUAL_INTERRUPT_DELIVERY):
        return True
    vtpr = memory(v.load(Field.VIRTUAL_APIC_ADDRESS) + _VTPR_OFFSET)
    return v.load(Field.TPR_THRESHOLD) & 0xF <= vtpr >> 4 & 0xF


@_rule(_SECTION, _PIN)
def virtual_nmis_need_nmi_exiting(v: Vmcs) -> bool:
    """virtual NMIs must be 0 if NMI exiting is 0"""
    return pin_based(v, PinBased.NMI_EXITING) or not pin_based(v, PinBased.VIRTUAL_NMIS)


@_rule(_SECTION, Field.PRIMARY_CONTROLS, _PIN)
def nmi_window_needs_virtual_nmis(v: Vmcs) -> bool:
    """NMI-window exiting must be 0 if virtual NMIs is 0"""
    return pin_based(v, PinBased.VIRTUAL_NMIS) or not primary(v, Primary.NMI_WINDOW_EXITING)


@_rule(_SECTION, Field.APIC_ACCESS_ADDRESS, PRIMARY, _SECONDARY)
def apic_access_address_is_a_page(v: Vmcs) -> bool:
    """the APIC-access page in use must be a 4-KByte-aligned physical address"""
    if not secondary(v, Secondary.VIRTUALIZE_APIC_ACCESSES):
        return True
    return _is_page(v, Field.APIC_ACCESS_ADDRESS)


@_rule(_SECTION, Field.VPID, PRIMARY, _SECONDARY)
def vpid_is_not_zero(v: Vmcs) -> bool:
    """the VPID must not be 0 if VPIDs are enabled"""
    return not secondary(v, Secondary.ENABLE_VPID) or v.load(Field.VPID) != 0


@_rule(_SECTION, Field.EPT_POINTER, PRIMARY, _SECONDARY)
def ept_memory_type_is_supported(v: Vmcs) -> bool:
    """bits 2:0 must be the memory type 0 (uncacheable) or 6 (write-back)"""
    return not secondary(v, Secondary.ENABLE_EPT) or v.load(Field.EPT_POINTER) & 7 in (0, 6)


@_rule(_SECTION, Field.EPT_POINTER, PRIMARY, _SECONDARY)
def ept_walk_length_is_four(v: Vmcs) -> bool:
    """bits 5:3 must be 3, a page-walk length of 4"""
    if not secondary(v, Secondary.ENABLE_EPT):
        return True
    return v.load(Field.EPT_POINTER) & 7 << 3 == _WALK_LENGTH_4


@_rule(_SECTION, Field.EPT_POINTER, PRIMARY, _SECONDARY)
def ept_accessed_dirty_is_supported(v: Vmcs) -> bool:
    """bit 6 must be 0 if EPT accessed and dirty flags are not supported"""
    if not secondary(v, Secondary.ENABLE_EPT) or v.capabilities.ept_accessed_dirty:
        return True
    return not v.load(Field.EPT_POINTER) & _EPT_ACCESSED_DIRTY


@_rule(_SECTION, Field.EPT_POINTER, PRIMARY, _SECONDARY)
def ept_pointer_reserved_bits_are_zero(v: Vmcs) -> bool:
    """bits 11:7 and those beyond the physical-address width must be 0"""
    if not secondary(v, Secondary.ENABLE_EPT):
        return True
    pointer = v.load(Field.EPT_POINTER)
    return not pointer & 0xF80 and not pointer >> v.capabilities.physical_address_bits


@_rule(_SECTION, _SECONDARY, PRIMARY)
def unrestricted_guest_needs_ept(v: Vmcs) -> bool:
    """unrestricted guest must be 0 if EPT is not enabled"""
    if secondary(v, Secondary.ENABLE_EPT):
        return True
    return not secondary(v, Secondary.UNRESTRICTED_GUEST)
