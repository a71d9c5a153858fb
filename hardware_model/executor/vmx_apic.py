"""The local APIC in VMX non-root operation: what the processor asks `cpu.virtual_apic` when (SDM vol. 3C chapter 29).

Accesses to the APIC-access page, posted interrupts, virtual interrupts, and HLT, from which each of them may wake.
"""

from __future__ import annotations

from hardware_model.executor import bare
from hardware_model.executor import delivery as D
from hardware_model.executor import words as W
from hardware_model.executor.intrinsics import call_event
from hardware_model.executor.profile import request_interrupt
from hardware_model.executor.state import U, set_word, word
from hardware_model.executor.vmx_exit import (
    COMPLETED,
    INFO,
    NO_EXIT,
    PIN_BASED,
    field,
    qualified,
    set_field,
)
from hardware_model.executor.vmx_nmi import non_maskable_interrupt
from hardware_model.native import inner
from hardware_model.vmx.controls import Exit, PinBased
from hardware_model.vmx.exit_reasons import Reason
from hardware_model.vmx.fields import Field
from hardware_model.vmx.interruption import ActivityState
from hardware_model.vmx.layout import WORD_INDEX
from hardware_model.vmx.qualifications import ApicAccessType

EXIT_CONTROLS = WORD_INDEX[Field.EXIT_CONTROLS]
NOTIFICATION = WORD_INDEX[Field.POSTED_INTERRUPT_VECTOR]
ACTIVITY = WORD_INDEX[Field.GUEST_ACTIVITY_STATE]
_EXTERNAL = U(PinBased.EXTERNAL_INTERRUPT_EXITING)
_POSTED, _ACKNOWLEDGE = U(PinBased.POSTED_INTERRUPTS), U(Exit.ACKNOWLEDGE_INTERRUPT)
_HALTED, _ACTIVE = U(ActivityState.HLT), U(ActivityState.ACTIVE)
_FETCH, _OFFSET = U(2), U(0xFFF)
DONE, NOTHING = U(0x100), U(0xFF)  # answers to APIC_ACCESS, see `cpu.virtual_apic`
AWAKE, UNACKNOWLEDGED, BY_NMI = U(0x100), U(0x101), U(0x102)  # answers to VIRTUAL_HALT


@inner
def apic_access(w):
    """A linear access to the APIC-access page: virtualized, or an exit before or behind the instruction."""
    offset, kind = word(w, W.EVENT_PHYSICAL) & _OFFSET, word(w, W.EVENT_WRITE)
    if word(w, W.VECTORING) != U(0):
        kind = U(ApicAccessType.LINEAR_EVENT_DELIVERY)
    if kind >= _FETCH:
        return qualified(w, U(Reason.APIC_ACCESS), offset | (kind << U(12)))
    answer = call_event(word(w, W.F_EVENT), U(W.Event.APIC_ACCESS))
    if (answer & DONE) != U(0):
        bare.complete(w)
    return COMPLETED if answer == DONE | NOTHING else answer & U(0xFF)


@inner
def interrupt_exit(w, vector):
    """An exit by an external interrupt that was acknowledged."""
    set_field(w, INFO, D.VALID | vector)
    return qualified(w, U(Reason.EXTERNAL_INTERRUPT), U(0))


@inner
def physical_interrupt(w):
    """An external interrupt: an exit, posted interrupts taken up, or the guest's own."""
    if (field(w, PIN_BASED) & _EXTERNAL) == U(0):
        request_interrupt(w)
        return COMPLETED
    if (field(w, EXIT_CONTROLS) & _ACKNOWLEDGE) == U(0):
        return qualified(w, U(Reason.EXTERNAL_INTERRUPT), U(0))
    vector = call_event(word(w, W.F_EVENT), U(W.Event.ACKNOWLEDGE))
    if (field(w, PIN_BASED) & _POSTED) != U(0) and vector == field(w, NOTIFICATION):
        call_event(word(w, W.F_EVENT), U(W.Event.NOTIFIED))
        return COMPLETED
    return interrupt_exit(w, vector)


@inner
def virtual_interrupt(w):
    """The boundary at which the guest can take the virtual interrupt that was recognized."""
    if word(w, W.VIRTUAL_INTERRUPT) != U(0):
        vector = call_event(word(w, W.F_EVENT), U(W.Event.VIRTUAL_INTERRUPT))
        set_word(w, W.INJECT, D.VALID | vector)
    return COMPLETED


@inner
def halt(w):
    """HLT that does not exit: the processor sleeps, and wakes for the guest or for an exit."""
    bare.complete(w)
    return sleep(w)


@inner
def sleep(w):
    set_field(w, ACTIVITY, _HALTED)
    answer = call_event(word(w, W.F_EVENT), U(W.Event.VIRTUAL_HALT))
    if answer == AWAKE:
        set_field(w, ACTIVITY, _ACTIVE)
        return COMPLETED
    if answer == BY_NMI:  # an exit finds the guest halted (27.3.4)
        if word(w, W.NMI_RULE) == U(W.NmiRule.DELIVERED) and word(w, W.NMI_WINDOW) == U(0):
            set_field(w, ACTIVITY, _ACTIVE)
        return non_maskable_interrupt(w)
    if answer == UNACKNOWLEDGED:
        return qualified(w, U(Reason.EXTERNAL_INTERRUPT), U(0))
    return interrupt_exit(w, answer)


@inner
def halted_again(w):
    """After a VM entry: a guest that was halted sleeps on, unless the entry brings an event (26.6.2)."""
    if field(w, ACTIVITY) != _HALTED or word(w, W.STOP) != U(0):
        return NO_EXIT
    if (word(w, W.INJECT) & D.VALID) != U(0):
        set_field(w, ACTIVITY, _ACTIVE)
        return NO_EXIT
    return sleep(w)
