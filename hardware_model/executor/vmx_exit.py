"""A VM exit as the processor performs it: exit-information fields, counters, then the VMM; and the VM entry that follows.

The guest's registers stay live in the engine: VMREAD and VMWRITE of guest-state fields reach them there.
"""

from __future__ import annotations

from hardware_model import counters
from hardware_model.executor import delivery as D
from hardware_model.executor import words as W
from hardware_model.executor.intrinsics import call_event, call_p, load64, store64
from hardware_model.executor.memory_access import counter_words, mmu_state
from hardware_model.executor.state import U, count, set_word, word
from hardware_model.mmu import invalidation
from hardware_model.mmu.state import Word as M
from hardware_model.native import inner
from hardware_model.vmx.controls import Primary, Secondary
from hardware_model.vmx.fields import Field
from hardware_model.vmx.layout import WORD_INDEX

PRIMARY = WORD_INDEX[Field.PRIMARY_CONTROLS]
SECONDARY = WORD_INDEX[Field.SECONDARY_CONTROLS]
PIN_BASED = WORD_INDEX[Field.PIN_BASED_CONTROLS]
_REASON = WORD_INDEX[Field.EXIT_REASON]
_QUALIFICATION = WORD_INDEX[Field.EXIT_QUALIFICATION]
_INFO = WORD_INDEX[Field.EXIT_INTERRUPTION_INFO]
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
_VPID = U(Secondary.ENABLE_VPID)
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
    return (field(w, PRIMARY) & _SECONDARY_ACTIVE) != U(0) and (field(w, SECONDARY) & control) != U(0)


@inner
def transition_flush(w):
    """Without VPIDs a transition drops all linear translations (SDM vol. 3C 28.3.3.1)."""
    if not secondary(w, _VPID):
        mmu = mmu_state(w)
        invalidation.flush_vpid(mmu, counter_words(w), mmu[M.VPID])
        mmu[M.OUT_FLUSH_ALL] = U(0)
        mmu[M.OUT_EVICT_COUNT] = U(0)
        call_p(word(w, W.F_TLB_FLUSH), word(w, W.CPU))


@inner
def vm_exit(w, reason, qualification):
    """Exit with basic `reason`; always True, for `return vm_exit(...)`."""
    set_field(w, _REASON, U(reason))
    set_field(w, _QUALIFICATION, U(qualification))
    set_field(w, _LENGTH, word(w, W.INSTRUCTION_LENGTH))
    vectoring = word(w, W.VECTORING)
    set_word(w, W.VECTORING, U(0))
    set_field(w, _IDT_INFO, vectoring)
    if vectoring != U(0):
        set_field(w, _IDT_ERROR, word(w, W.INJECT_ERROR))
        if ((vectoring >> U(8)) & U(7)) >= D.TYPE_SOFTWARE_INTERRUPT:
            set_field(w, _LENGTH, word(w, W.INJECT_LENGTH))
    count(w, _EXITS, 1)
    at = word(w, W.COUNTERS) + U(8) * load64(word(w, W.REASON_COUNTERS) + U(8) * U(reason))
    store64(at, load64(at) + U(1))
    transition_flush(w)
    call_event(word(w, W.F_EVENT), U(W.Event.VM_EXIT))
    if word(w, W.STOP) == U(0):
        vm_entry(w)
    return True


@inner
def vm_exit_by_event(w, info, error, qualification):
    """Exit with reason 0, exception or NMI."""
    set_field(w, _INFO, info)
    set_field(w, _ERROR, error)
    return vm_exit(w, 0, qualification)


@inner
def vm_exit_by_ept(w, reason):
    """EPT violation or misconfiguration."""
    set_field(w, _LINEAR, word(w, W.EVENT_LINEAR))
    set_field(w, _PHYSICAL, word(w, W.EVENT_PHYSICAL))
    return vm_exit(w, reason, word(w, W.EVENT_QUALIFICATION))


@inner
def vm_entry(w):
    """Take from the VMCS what changes at every entry: the event to inject and interrupt-window exiting."""
    count(w, _ENTRIES, 1)
    set_word(w, W.WINDOW, U(1) if primary(w, _WINDOW) else U(0))
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
