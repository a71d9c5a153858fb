"""Checks on the guest's activity, interruptibility and pending debug exceptions (26.3.1.5)."""

from __future__ import annotations

from hardware_model.vmx.controls import PinBased
from hardware_model.vmx.entry_checks.predicates import (
    RFLAGS_IF,
    RFLAGS_TF,
    injection,
    injects,
    pin_based,
)
from hardware_model.vmx.entry_checks.rule import RuleTable, Stage
from hardware_model.vmx.fields import Field
from hardware_model.vmx.interruption import (
    ActivityState,
    Interruptibility,
    InterruptionType,
    PendingDebug,
)
from hardware_model.vmx.segments import DPL_SHIFT
from hardware_model.vmx.vmcs import Vmcs

_SECTION = "26.3.1.5"
_ACTIVITY = Field.GUEST_ACTIVITY_STATE
_BLOCKING = Field.GUEST_INTERRUPTIBILITY_STATE
_INFO = Field.ENTRY_INTERRUPTION_INFO
_PENDING = Field.GUEST_PENDING_DEBUG_EXCEPTIONS

_STI, _MOV_SS, _SMI, _NMI, _ENCLAVE = (int(blocking) for blocking in Interruptibility)
_PENDING_RESERVED = ~sum(PendingDebug)
_PENDING_BS = int(PendingDebug.BS)
_DEBUGCTL_BTF = 1 << 1
_DEBUG_EXCEPTION, _MACHINE_CHECK = 1, 18
_STI_BLOCKS_NMI = 3
"""The exit qualification of an entry that injects an NMI into an STI shadow (26.7)."""

GUEST_ACTIVITY = RuleTable(Stage.GUEST)
_rule = GUEST_ACTIVITY.rule


@_rule(_SECTION, _ACTIVITY)
def activity_state_is_supported(v: Vmcs) -> bool:
    """the activity state must be one that the processor supports"""
    state = v.load(_ACTIVITY)
    if state > ActivityState.WAIT_FOR_SIPI:
        return False
    return state == ActivityState.ACTIVE or bool(v.capabilities.activity_states >> state - 1 & 1)


@_rule(_SECTION, _ACTIVITY, Field.GUEST_SS_ACCESS_RIGHTS)
def halted_guest_is_at_ring_0(v: Vmcs) -> bool:
    """the activity state must not be HLT if the DPL of SS is not 0"""
    if v.load(_ACTIVITY) != ActivityState.HLT:
        return True
    return not v.load(Field.GUEST_SS_ACCESS_RIGHTS) >> DPL_SHIFT & 3


@_rule(_SECTION, _ACTIVITY, _BLOCKING)
def shadowed_guest_is_active(v: Vmcs) -> bool:
    """the activity state must be active in an STI or MOV-SS shadow"""
    return not v.load(_BLOCKING) & (_STI | _MOV_SS) or v.load(_ACTIVITY) == ActivityState.ACTIVE


@_rule(_SECTION, _ACTIVITY, _INFO)
def inactive_guest_is_woken_by_the_event(v: Vmcs) -> bool:
    """an event that does not end the activity state must not be injected"""
    state, event = v.load(_ACTIVITY), injection(v)
    if event is None or state == ActivityState.ACTIVE:
        return True
    machine_check = (InterruptionType.HARDWARE_EXCEPTION, _MACHINE_CHECK)
    if event.type is InterruptionType.NMI or (event.type, event.vector) == machine_check:
        return state in (ActivityState.HLT, ActivityState.SHUTDOWN)
    debug = (InterruptionType.HARDWARE_EXCEPTION, _DEBUG_EXCEPTION)
    wakes = (
        event.type in (InterruptionType.EXTERNAL_INTERRUPT, InterruptionType.OTHER_EVENT)
        or (event.type, event.vector) == debug
    )
    return wakes and state == ActivityState.HLT


@_rule(_SECTION, _BLOCKING)
def interruptibility_reserved_bits_are_zero(v: Vmcs) -> bool:
    """bits 31:4 must be 0 (the model has no enclaves)"""
    return v.load(_BLOCKING) < _ENCLAVE


@_rule(_SECTION, _BLOCKING)
def only_one_shadow_blocks(v: Vmcs) -> bool:
    """blocking by STI and blocking by MOV SS must not both be 1"""
    return v.load(_BLOCKING) & (_STI | _MOV_SS) != _STI | _MOV_SS


@_rule(_SECTION, _BLOCKING, Field.GUEST_RFLAGS)
def sti_shadow_needs_interrupts_on(v: Vmcs) -> bool:
    """blocking by STI must be 0 if RFLAGS.IF is 0"""
    return not v.load(_BLOCKING) & _STI or bool(v.load(Field.GUEST_RFLAGS) & RFLAGS_IF)


@_rule(_SECTION, _BLOCKING, _INFO)
def injected_interrupt_is_not_blocked(v: Vmcs) -> bool:
    """blocking by STI and by MOV SS must be 0 if an external interrupt is injected"""
    if not injects(v, InterruptionType.EXTERNAL_INTERRUPT):
        return True
    return not v.load(_BLOCKING) & (_STI | _MOV_SS)


@_rule(_SECTION, _BLOCKING, _INFO)
def injected_nmi_is_not_in_a_mov_ss_shadow(v: Vmcs) -> bool:
    """blocking by MOV SS must be 0 if an NMI is injected"""
    return not injects(v, InterruptionType.NMI) or not v.load(_BLOCKING) & _MOV_SS


@_rule(_SECTION, _BLOCKING, _INFO, qualification=_STI_BLOCKS_NMI)
def injected_nmi_is_not_in_an_sti_shadow(v: Vmcs) -> bool:
    """blocking by STI must be 0 if an NMI is injected"""
    return not injects(v, InterruptionType.NMI) or not v.load(_BLOCKING) & _STI


@_rule(_SECTION, _BLOCKING)
def smis_are_not_blocked(v: Vmcs) -> bool:
    """blocking by SMI must be 0 outside system-management mode"""
    return not v.load(_BLOCKING) & _SMI


@_rule(_SECTION, _BLOCKING, _INFO, Field.PIN_BASED_CONTROLS)
def injected_virtual_nmi_is_not_blocked(v: Vmcs) -> bool:
    """blocking by NMI must be 0 if an NMI is injected under virtual NMIs"""
    if not injects(v, InterruptionType.NMI) or not pin_based(v, PinBased.VIRTUAL_NMIS):
        return True
    return not v.load(_BLOCKING) & _NMI


@_rule(_SECTION, _PENDING)
def pending_debug_reserved_bits_are_zero(v: Vmcs) -> bool:
    """bits 11:4, 13, 15 and 63:17 must be 0"""
    return not v.load(_PENDING) & _PENDING_RESERVED


@_rule(_SECTION, _PENDING, _BLOCKING, _ACTIVITY, Field.GUEST_RFLAGS, Field.GUEST_IA32_DEBUGCTL)
def pending_single_step_agrees_with_tf(v: Vmcs) -> bool:
    """BS must be 1 exactly if TF is 1 and BTF is 0, in a shadow or while halted"""
    shadow = v.load(_BLOCKING) & (_STI | _MOV_SS)
    if not shadow and v.load(_ACTIVITY) != ActivityState.HLT:
        return True
    branches_only = v.load(Field.GUEST_IA32_DEBUGCTL) & _DEBUGCTL_BTF
    stepping = v.load(Field.GUEST_RFLAGS) & RFLAGS_TF and not branches_only
    return bool(v.load(_PENDING) & _PENDING_BS) == bool(stepping)
