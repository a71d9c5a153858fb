"""A VM exit as the processor performs it: exit-information fields, counters, then the VMM; and the
VM entry that follows.

The guest's registers stay live in the engine: VMREAD and VMWRITE of guest-state fields reach them there.
"""

from __future__ import annotations

from hardware_model import counters
from hardware_model.executor import delivery as D
from hardware_model.executor import nmi
from hardware_model.executor import words as W
from hardware_model.executor.intrinsics import call_event, load64, store64
from hardware_model.executor.memory_access import counter_words, flush_evicted, mmu_state
from hardware_model.executor.state import U, count, set_word, word
from hardware_model.mmu import invalidation
from hardware_model.mmu.state import Word as M
from hardware_model.native import inner
from hardware_model.vmx.controls import Primary, Secondary
from hardware_model.vmx.exit_reasons import Reason
from hardware_model.vmx.fields import Field
from hardware_model.vmx.layout import WORD_INDEX

PRIMARY = WORD_INDEX[Field.PRIMARY_CONTROLS]
SECONDARY = WORD_INDEX[Field.SECONDARY_CONTROLS]
PIN_BASED = WORD_INDEX[Field.PIN_BASED_CONTROLS]
_REASON = WORD_INDEX[Field.EXIT_REASON]
_QUALIFICATION = WORD_INDEX[Field.EXIT_QUALIFICATION]
INFO = WORD_INDEX[Field.EXIT_INTERRUPTION_INFO]
_ERROR = WORD_INDEX[Field.EXIT_INTERRUPTION_ERROR_CODE]
_IDT_INFO = WORD_INDEX[Field.IDT_VECTORING_INFO]
_IDT_ERROR = WORD_INDEX[Field.IDT_VECTORING_ERROR_CODE]
_LENGTH = WORD_INDEX[Field.EXIT_INSTRUCTION_LENGTH]
_LINEAR = WORD_INDEX[Field.GUEST_LINEAR_ADDRESS]
_PHYSICAL = WORD_INDEX[Field.GUEST_PHYSICAL_ADDRESS]
_ENTRY_INFO = WORD_INDEX[Field.ENTRY_INTERRUPTION_INFO]
_ENTRY_ERROR = WORD_INDEX[Field.ENTRY_EXCEPTION_ERROR_CODE]
_ENTRY_LENGTH = WORD_INDEX[Field.ENTRY_INSTRUCTION_LENGTH]
_SECONDARY_ACTIVE = U(Primary.ACTIVATE_SECONDARY_CONTROLS)
_WINDOW = U(Primary.INTERRUPT_WINDOW_EXITING)
_NMI_WINDOW = U(Primary.NMI_WINDOW_EXITING)
_VPID = U(Secondary.ENABLE_VPID)
_VIRTUAL_INTERRUPTS = U(Secondary.VIRTUAL_INTERRUPT_DELIVERY)
NO_EXIT, COMPLETED = U(1 << 16), U(1 << 17)  # answers beside basic exit reasons
EPT_VIOLATION, EPT_MISCONFIGURATION = U(Reason.EPT_VIOLATION), U(Reason.EPT_MISCONFIGURATION)
_EXITS, _ENTRIES = counters.index("exits"), counters.index("entries")
_INJECTED_INTERRUPT = counters.index("injection.interrupt")
_INJECTED_EXCEPTION = counters.index("injection.exception")
_INJECTED_SOFTWARE = counters.index("injection.software")


@inner
def field(w, index):
    """A VMCS field by its word index."""
    return load64(word(w, W.VMCS) + U(8) * U(index))


@inner
def set_field(w, index, value):
    store64(word(w, W.VMCS) + U(8) * U(index), value)


@inner
def primary(w, control):
    return (field(w, PRIMARY) & control) != U(0)


@inner
def secondary(w, control):
    return (field(w, PRIMARY) & _SECONDARY_ACTIVE) != U(0) and (field(w, SECONDARY) & control) != U(
        0
    )


@inner
def transition_flush(w):
    """Without VPIDs a transition drops all linear translations (SDM vol. 3C 28.3.3.1)."""
    if not secondary(w, _VPID):
        mmu = mmu_state(w)
        invalidation.flush_vpid(mmu, counter_words(w), mmu[M.VPID])
        flush_evicted(w, mmu)


@inner
def qualified(w, reason, qualification):
    """Note the exit qualification; returns the reason, for `return qualified(...)`."""
    set_word(w, W.EVENT_QUALIFICATION, U(qualification))
    return U(reason)


@inner
def save_vectoring(w):
    """IDT-vectoring information: the event whose delivery the exit interrupts."""
    vectoring = word(w, W.VECTORING)
    set_word(w, W.VECTORING, U(0))
    set_field(w, _IDT_INFO, vectoring)
    if vectoring != U(0):
        set_field(w, _IDT_ERROR, word(w, W.INJECT_ERROR))
        if ((vectoring >> U(8)) & U(7)) >= D.TYPE_SOFTWARE_INTERRUPT:
            set_field(w, _LENGTH, word(w, W.INJECT_LENGTH))


@inner
def vm_exit(w, reason):
    """Exit with basic `reason`, then enter again unless the run was ended."""
    set_field(w, _REASON, reason)
    set_field(w, _QUALIFICATION, word(w, W.EVENT_QUALIFICATION))
    set_field(w, _LENGTH, word(w, W.INSTRUCTION_LENGTH))
    set_field(w, _LINEAR, word(w, W.EVENT_LINEAR))
    if reason == EPT_VIOLATION or reason == EPT_MISCONFIGURATION:
        set_field(w, _PHYSICAL, word(w, W.EVENT_PHYSICAL))
    save_vectoring(w)
    count(w, _EXITS, 1)
    at = word(w, W.COUNTERS) + U(8) * load64(word(w, W.REASON_COUNTERS) + U(8) * reason)
    store64(at, load64(at) + U(1))
    transition_flush(w)
    call_event(word(w, W.F_EVENT), U(W.Event.VM_EXIT))
    if word(w, W.STOP) == U(0):
        vm_entry(w)


@inner
def exit_by_event(w, info, error, qualification):
    """Reason 0, exception or NMI, with its interruption information."""
    if word(w, W.NMI_UNBLOCKED) != U(0) and (info & U(0xFF)) != D.DOUBLE_FAULT:
        info |= nmi.UNBLOCKING_BY_IRET
    set_field(w, INFO, info)
    set_field(w, _ERROR, error)
    return qualified(w, U(0), qualification)


@inner
def vm_entry(w):
    """Take from the VMCS what changes at every entry: the event to inject, interrupt-window exiting, RVI."""
    count(w, _ENTRIES, 1)
    set_word(w, W.WINDOW, U(1) if primary(w, _WINDOW) else U(0))
    set_word(w, W.NMI_WINDOW, U(1) if primary(w, _NMI_WINDOW) else U(0))
    if secondary(w, _VIRTUAL_INTERRUPTS):
        call_event(word(w, W.F_EVENT), U(W.Event.EVALUATE))
    info = field(w, _ENTRY_INFO)
    if (info & D.VALID) == U(0):
        return
    set_field(w, _ENTRY_INFO, info & ~D.VALID)
    set_word(w, W.INJECT, info)
    set_word(w, W.INJECT_ERROR, field(w, _ENTRY_ERROR))
    set_word(w, W.INJECT_LENGTH, field(w, _ENTRY_LENGTH))
    kind = (info >> U(8)) & U(7)
    if kind == D.TYPE_EXTERNAL:
        count(w, _INJECTED_INTERRUPT, 1)
    elif kind >= D.TYPE_SOFTWARE_INTERRUPT:
        count(w, _INJECTED_SOFTWARE, 1)
    else:
        count(w, _INJECTED_EXCEPTION, 1)
