"""Delivery of exceptions and interrupts through the guest's IDT by the engine's own gate checks.

A fault during delivery comes back as a new intercept while VECTORING still names the first event: the rules of SDM
vol. 3A table 6-5 then decide between serial delivery, double fault and triple fault.
"""

from __future__ import annotations

from hardware_model import counters
from hardware_model.executor import layout as L
from hardware_model.executor import nmi
from hardware_model.executor import words as W
from hardware_model.executor.corrections import record_completion
from hardware_model.executor.intrinsics import call_p, call_pii, load64, store32, store64
from hardware_model.executor.state import U, count, set_word, word
from hardware_model.native import inner

VALID = U(1 << 31)
ERROR_VALID = U(1 << 11)
TYPE_EXTERNAL = U(0)
TYPE_NMI = U(2)
TYPE_EXCEPTION = U(3)
TYPE_SOFTWARE_INTERRUPT = U(4)
TYPE_PRIVILEGED_EXCEPTION = U(5)
TYPE_SOFTWARE_EXCEPTION = U(6)
DOUBLE_FAULT = U(8)
PAGE_FAULT = U(14)
TRIPLE_FAULT = U(0xFFFF)

_CONTRIBUTORY = (1 << 0) | (1 << 10) | (1 << 11) | (1 << 12) | (1 << 13)
_HAS_ERROR = (1 << 8) | (1 << 10) | (1 << 11) | (1 << 12) | (1 << 13) | (1 << 14) | (1 << 17)
_INTERRUPT_DELIVERED = counters.index("interrupt.delivered")
_INTERRUPT_SOFTWARE = counters.index("interrupt.software")
_EXCEPTION_DELIVERED = counters.index("exception.delivered")


@inner
def has_error_code(vector):
    return (U(_HAS_ERROR) >> vector) & U(1) != U(0)


@inner
def contributory(vector):
    return (U(_CONTRIBUTORY) >> vector) & U(1) != U(0)


@inner
def combine(first, vector):
    """What follows when `vector` is raised while event `first` (vectoring format) is delivered: a
    vector or TRIPLE_FAULT.
    """
    if first == U(0) or ((first >> U(8)) & U(7)) != TYPE_EXCEPTION:
        return vector
    earlier = first & U(0xFF)
    if earlier == DOUBLE_FAULT:
        return TRIPLE_FAULT if contributory(vector) or vector == PAGE_FAULT else vector
    if contributory(earlier) and contributory(vector):
        return DOUBLE_FAULT
    if earlier == PAGE_FAULT and (contributory(vector) or vector == PAGE_FAULT):
        return DOUBLE_FAULT
    return vector


@inner
def _note_progress(w):
    """End the run if nothing but deliveries happens: no instruction retires, so its budget would last for ever."""
    if word(w, W.FAULT_CLOCK) != word(w, W.CLOCK):
        set_word(w, W.FAULT_CLOCK, word(w, W.CLOCK))
        set_word(w, W.FAULTS, U(0))
        return
    set_word(w, W.FAULTS, word(w, W.FAULTS) + U(1))
    if word(w, W.FAULTS) == U(W.FAULT_LIMIT):
        set_word(w, W.STOP, U(W.Stop.BUDGET))


@inner
def deliver_exception(w, vector, kind, error):
    """Vector a fault, trap or NMI through the guest's IDT; the saved RIP is the CPU state's."""
    env = word(w, W.ENV)
    info = VALID | (kind << U(8)) | vector
    if kind == TYPE_EXCEPTION and has_error_code(vector):
        info |= ERROR_VALID
    store32(word(w, W.CPU) + U(L.CPU_EXCEPTION_INDEX), vector)
    store32(env + U(L.ENV_ERROR_CODE), error)
    store32(env + U(L.ENV_EXCEPTION_IS_INT), U(0))
    set_word(w, W.VECTORING, info)
    call_p(word(w, W.F_DO_INTERRUPT), word(w, W.CPU))
    set_word(w, W.VECTORING, U(0))
    count(w, _EXCEPTION_DELIVERED, 1)
    _note_progress(w)
    per_vector = load64(word(w, W.VECTOR_COUNTERS) + U(8) * (vector & U(31)))
    at = word(w, W.COUNTERS) + U(8) * per_vector
    store64(at, load64(at) + U(1))


@inner
def deliver_software(w, vector, kind, length):
    """Vector INT n (kind 4) or INT3 (kind 6): RIP is the instruction, the saved RIP the one behind it."""
    env = word(w, W.ENV)
    rip = load64(env + U(L.ENV_EIP))
    store32(word(w, W.CPU) + U(L.CPU_EXCEPTION_INDEX), vector)
    store32(env + U(L.ENV_ERROR_CODE), U(0))
    store32(env + U(L.ENV_EXCEPTION_IS_INT), U(1))
    store64(env + U(L.ENV_EXCEPTION_NEXT_EIP), rip + length)
    set_word(w, W.VECTORING, VALID | (kind << U(8)) | vector)
    call_p(word(w, W.F_DO_INTERRUPT), word(w, W.CPU))
    set_word(w, W.VECTORING, U(0))
    store32(
        env + U(L.ENV_EXCEPTION_IS_INT), U(0)
    )  # left set, the next intercept would resume behind the INT
    count(w, _INTERRUPT_SOFTWARE, 1)
    set_word(w, W.CLOCK, word(w, W.CLOCK) + U(1))
    if word(w, W.OWN_SOFTWARE) != U(0):
        record_completion(w)
    else:
        set_word(w, W.COMPLETED, word(w, W.COMPLETED) + U(1))


@inner
def deliver_interrupt(w, vector):
    """Vector an external interrupt."""
    set_word(w, W.VECTORING, VALID | (TYPE_EXTERNAL << U(8)) | vector)
    call_pii(word(w, W.F_DO_HARD_INTERRUPT), word(w, W.ENV), vector, U(1))
    set_word(w, W.VECTORING, U(0))
    count(w, _INTERRUPT_DELIVERED, 1)


@inner
def deliver_injected(w):
    """Deliver the event that a VMM or the machine left in INJECT (VM-entry interruption-information format)."""
    info = word(w, W.INJECT)
    if (info & VALID) == U(0):
        return
    set_word(w, W.INJECT, U(0))
    vector = info & U(0xFF)
    kind = (info >> U(8)) & U(7)
    if kind == TYPE_EXTERNAL:
        deliver_interrupt(w, vector)
    elif kind == TYPE_SOFTWARE_INTERRUPT or kind == TYPE_SOFTWARE_EXCEPTION:
        deliver_software(w, vector, kind, word(w, W.INJECT_LENGTH))
        set_word(w, W.OWN_SOFTWARE, U(0))
    else:
        if kind == TYPE_NMI:
            nmi.block(w)
        if kind == TYPE_PRIVILEGED_EXCEPTION:  # INT1: no check of the gate's DPL
            at = word(w, W.ENV) + U(L.ENV_EIP)
            store64(at, load64(at) + word(w, W.INJECT_LENGTH))
        deliver_exception(w, vector, kind, word(w, W.INJECT_ERROR))
