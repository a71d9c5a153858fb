"""Checks on APIC virtualization, virtual-interrupt delivery and posted interrupts (SDM vol. 3C 26.2.1.1)."""

from __future__ import annotations

from hardware_model.vmx.controls import Exit, PinBased, Primary, Secondary
from hardware_model.vmx.entry_checks.predicates import PRIMARY, pin_based, primary, secondary
from hardware_model.vmx.entry_checks.rule import RuleTable, Stage
from hardware_model.vmx.fields import Field
from hardware_model.vmx.vmcs import Vmcs

_SECTION = "26.2.1.1"
_PIN, _SECONDARY = Field.PIN_BASED_CONTROLS, Field.SECONDARY_CONTROLS
_NEED_TPR_SHADOW = (
    Secondary.VIRTUALIZE_X2APIC_MODE
    | Secondary.APIC_REGISTER_VIRTUALIZATION
    | Secondary.VIRTUAL_INTERRUPT_DELIVERY
)
_DESCRIPTOR_BYTES = 64

APIC_VIRTUALIZATION = RuleTable(Stage.CONTROL)
_rule = APIC_VIRTUALIZATION.rule


@_rule(_SECTION, _SECONDARY, PRIMARY)
def virtual_apic_registers_need_the_tpr_shadow(v: Vmcs) -> bool:
    """x2APIC mode, APIC registers and interrupt delivery must not be virtualized without the TPR shadow"""
    return primary(v, Primary.USE_TPR_SHADOW) or not secondary(v, _NEED_TPR_SHADOW)


@_rule(_SECTION, _PIN, _SECONDARY, PRIMARY)
def virtual_interrupts_need_external_interrupt_exiting(v: Vmcs) -> bool:
    """external-interrupt exiting must be 1 if virtual-interrupt delivery is 1"""
    if not secondary(v, Secondary.VIRTUAL_INTERRUPT_DELIVERY):
        return True
    return pin_based(v, PinBased.EXTERNAL_INTERRUPT_EXITING)


@_rule(_SECTION, _PIN, _SECONDARY, PRIMARY)
def posted_interrupts_need_virtual_interrupts(v: Vmcs) -> bool:
    """virtual-interrupt delivery must be 1 if posted interrupts are processed"""
    if not pin_based(v, PinBased.POSTED_INTERRUPTS):
        return True
    return secondary(v, Secondary.VIRTUAL_INTERRUPT_DELIVERY)


@_rule(_SECTION, Field.EXIT_CONTROLS, _PIN)
def posted_interrupts_need_acknowledgement(v: Vmcs) -> bool:
    """exits must acknowledge interrupts if posted interrupts are processed"""
    if not pin_based(v, PinBased.POSTED_INTERRUPTS):
        return True
    return bool(v.load(Field.EXIT_CONTROLS) & int(Exit.ACKNOWLEDGE_INTERRUPT))


@_rule(_SECTION, Field.POSTED_INTERRUPT_VECTOR, _PIN)
def notification_vector_is_eight_bits(v: Vmcs) -> bool:
    """bits 15:8 must be 0 if posted interrupts are processed"""
    return not pin_based(v, PinBased.POSTED_INTERRUPTS) or not (
        v.load(Field.POSTED_INTERRUPT_VECTOR) >> 8
    )


@_rule(_SECTION, Field.POSTED_INTERRUPT_DESCRIPTOR, _PIN)
def posted_interrupt_descriptor_is_aligned(v: Vmcs) -> bool:
    """the descriptor in use must be a 64-byte-aligned physical address"""
    if not pin_based(v, PinBased.POSTED_INTERRUPTS):
        return True
    address = v.load(Field.POSTED_INTERRUPT_DESCRIPTOR)
    return not address % _DESCRIPTOR_BYTES and not address >> v.capabilities.physical_address_bits
