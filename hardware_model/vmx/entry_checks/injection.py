"""Checks on the event to inject (SDM vol. 3C 26.2.1.3)."""

from __future__ import annotations

from hardware_model.vmx.controls import Primary
from hardware_model.vmx.entry_checks.predicates import CR0_PE, PRIMARY, injection, unrestricted
from hardware_model.vmx.entry_checks.rule import RuleTable, Stage
from hardware_model.vmx.fields import Field
from hardware_model.vmx.interruption import ERROR_CODE_VECTORS, InterruptionType
from hardware_model.vmx.vmcs import Vmcs

_SECTION = "26.2.1.3"
_INFO = Field.ENTRY_INTERRUPTION_INFO
_RESERVED = 0x7FFF_F000
_NMI_VECTOR = 2
_LONGEST_INSTRUCTION = 15

INJECTION = RuleTable(Stage.CONTROL)
_rule = INJECTION.rule


@_rule(_SECTION, _INFO)
def injected_type_is_not_reserved(v: Vmcs) -> bool:
    """the type must not be 1, nor 7 if the monitor trap flag is not supported"""
    event = injection(v)
    if event is None:
        return True
    if event.type is InterruptionType.OTHER_EVENT:
        return bool(v.capabilities.primary.may & int(Primary.MONITOR_TRAP_FLAG))
    return event.type is not InterruptionType.RESERVED


@_rule(_SECTION, _INFO)
def injected_vector_suits_its_type(v: Vmcs) -> bool:
    """the vector must be 2 for an NMI, at most 31 for a hardware exception, 0 for other events"""
    event = injection(v)
    if event is None:
        return True
    match event.type:
        case InterruptionType.NMI:
            return event.vector == _NMI_VECTOR
        case InterruptionType.HARDWARE_EXCEPTION:
            return event.vector <= 31
        case InterruptionType.OTHER_EVENT:
            return event.vector == 0
        case _:
            return True


@_rule(_SECTION, _INFO, Field.GUEST_CR0, PRIMARY, Field.SECONDARY_CONTROLS)
def injected_error_code_suits_its_vector(v: Vmcs) -> bool:
    """bit 11 must be 1 for a hardware exception with an error code, and 0 for all else"""
    event = injection(v)
    if event is None:
        return True
    protected = not unrestricted(v) or bool(v.load(Field.GUEST_CR0) & CR0_PE)
    expected = (
        event.type is InterruptionType.HARDWARE_EXCEPTION
        and event.vector in ERROR_CODE_VECTORS
        and protected
    )
    return event.error_code_valid == expected


@_rule(_SECTION, _INFO)
def injection_reserved_bits_are_zero(v: Vmcs) -> bool:
    """bits 30:12 must be 0"""
    return injection(v) is None or not v.load(_INFO) & _RESERVED


@_rule(_SECTION, Field.ENTRY_EXCEPTION_ERROR_CODE, _INFO)
def injected_error_code_is_15_bits(v: Vmcs) -> bool:
    """bits 31:15 must be 0 if an error code is delivered"""
    event = injection(v)
    if event is None or not event.error_code_valid:
        return True
    return not v.load(Field.ENTRY_EXCEPTION_ERROR_CODE) >> 15


@_rule(_SECTION, Field.ENTRY_INSTRUCTION_LENGTH, _INFO)
def injected_instruction_has_a_length(v: Vmcs) -> bool:
    """the length must be 1 to 15 if a software interrupt or software exception is injected"""
    event = injection(v)
    if event is None or not event.type.is_software:
        return True
    return 1 <= v.load(Field.ENTRY_INSTRUCTION_LENGTH) <= _LONGEST_INSTRUCTION
