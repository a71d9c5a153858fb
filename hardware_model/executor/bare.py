"""What the bare processor does at an intercept: the effect the instruction or event has when no VMM
asked for an exit.
"""

from __future__ import annotations

from hardware_model.executor import delivery as D
from hardware_model.executor import layout as L
from hardware_model.executor import nmi
from hardware_model.executor import words as W
from hardware_model.executor.corrections import record_completion
from hardware_model.executor.intrinsics import (
    call_event,
    call_pp,
    load32,
    load64,
    store32,
    store64,
)
from hardware_model.executor.memory_access import (
    counter_words,
    flush_evicted,
    load_registers,
    mmu_state,
)
from hardware_model.executor.operands import memory_address, modrm_registers
from hardware_model.executor.state import U, set_word, word
from hardware_model.mmu import invalidation
from hardware_model.native import inner

I = W.Intercept
LOW32 = U(0xFFFFFFFF)
NO_VECTOR = U(0x100)
IF = U(1 << 9)
INVALID_OPCODE = U(6)
GENERAL_PROTECTION = U(13)


@inner
def complete(w):
    """Retire the intercepted instruction: RIP behind it, one unit of time, STI shadow gone."""
    env = word(w, W.ENV)
    store64(env + U(L.ENV_EIP), word(w, W.INSTRUCTION_PC) + word(w, W.INSTRUCTION_LENGTH))
    retire(w)


@inner
def retire(w):
    env = word(w, W.ENV)
    set_word(w, W.CLOCK, word(w, W.CLOCK) + U(1))
    record_completion(w)
    at = env + U(L.ENV_HFLAGS)
    store32(at, load32(at) & ~U(L.HF_INHIBIT_IRQ))


@inner
def raise_exception(w, vector, error):
    """Raise an exception in the guest, promoting it when another event was being delivered."""
    first = word(w, W.VECTORING)
    set_word(w, W.VECTORING, U(0))
    after = D.combine(first, vector)
    if after == D.TRIPLE_FAULT:
        set_word(w, W.STOP, U(W.Stop.TRIPLE_FAULT))
        return
    if after == D.DOUBLE_FAULT:
        error = U(0)
    if after == D.PAGE_FAULT:
        store64(word(w, W.ENV) + U(L.ENV_CR + 16), word(w, W.FAULT_ADDRESS))
    set_word(w, W.INJECT, D.VALID | (D.TYPE_EXCEPTION << U(8)) | after)
    set_word(w, W.INJECT_ERROR, error)


@inner
def take_interrupt(w):
    """An interrupt reached an interruptible boundary: acknowledge it at the controller and deliver it."""
    at = word(w, W.CPU) + U(L.CPU_INTERRUPT_REQUEST)
    store32(at, load32(at) & ~U(L.INTERRUPT_HARD))
    if word(w, W.IRQ_LINE) == U(0):
        return
    vector = call_event(word(w, W.F_EVENT), U(W.Event.ACKNOWLEDGE))
    if vector < NO_VECTOR:
        set_word(w, W.INJECT, D.VALID | vector)


@inner
def halt(w):
    complete(w)
    interruptible = (load64(word(w, W.ENV) + U(L.ENV_EFLAGS)) & IF) != U(0)
    if not (interruptible and word(w, W.IRQ_LINE) != U(0)) and not nmi.wakes(w):
        call_event(word(w, W.F_EVENT), U(W.Event.HALT))


@inner
def read_tsc(w, with_aux):
    env = word(w, W.ENV)
    value = word(w, W.CLOCK) + word(w, W.TSC_ADJUST) + word(w, W.TSC_OFFSET)
    store64(env, value & LOW32)
    store64(env + U(16), value >> U(32))
    if with_aux:
        store64(env + U(8), word(w, W.TSC_AUX) & LOW32)
    complete(w)


@inner
def write_cr3(w):
    _, gpr = modrm_registers(w)
    env = word(w, W.ENV)
    value = load64(env + U(8) * gpr)
    if (value >> U(40)) != U(0):
        raise_exception(w, GENERAL_PROTECTION, U(0))
        return
    mmu = mmu_state(w)
    load_registers(w, mmu)
    invalidation.write_cr3(mmu, counter_words(w), value)
    flush_evicted(w, mmu)
    store64(env + U(L.ENV_CR + 24), value)  # its own function would flush a second time
    complete(w)


@inner
def invalidate_page(w):
    address = memory_address(w, 2)
    mmu = mmu_state(w)
    load_registers(w, mmu)
    invalidation.invlpg(mmu, counter_words(w), address)
    flush_evicted(w, mmu)
    call_pp(word(w, W.F_TLB_FLUSH_PAGE), word(w, W.CPU), address)
    complete(w)


@inner
def read_cr(w, value):
    _, gpr = modrm_registers(w)
    store64(word(w, W.ENV) + U(8) * gpr, value)
    complete(w)


@inner
def write_cr8(w):
    _, gpr = modrm_registers(w)
    value = load64(word(w, W.ENV) + U(8) * gpr)
    if value > U(15):
        raise_exception(w, GENERAL_PROTECTION, U(0))
        return
    set_word(w, W.CR8, value)
    set_word(w, W.IRQ_LINE, U(1) if word(w, W.PENDING_CLASS) > value else U(0))
    complete(w)


@inner
def ask_machine(w, kind):
    """An instruction whose effect the Python side of the machine provides.

    It answers 1 when the instruction completed, 2 when an iteration of a repeated one did.
    """
    set_word(w, W.EVENT_RESULT, U(0))
    answer = call_event(word(w, W.F_EVENT), U(kind))
    if answer == U(1):
        complete(w)
    elif answer == U(2):
        retire(w)


@inner
def undefined(code):
    """Intercepts of instructions that the modelled processor does not have."""
    if code == U(I.MONITOR) or code == U(I.MWAIT) or code == U(I.INVLPGA) or code == U(I.XSETBV):
        return True
    return code >= U(I.VMRUN) and code <= U(I.SKINIT)


@inner
def execute(w, code):
    """The effect of intercept `code` on the bare processor."""
    if code >= U(I.EXCEPTION) and code < U(I.INTR):
        raise_exception(w, code - U(I.EXCEPTION), load32(word(w, W.ENV) + U(L.ENV_ERROR_CODE)))
    elif code == U(I.INTR):
        take_interrupt(w)
    elif code == U(I.NMI):
        nmi.deliver(w)
    elif code == U(I.WRITE_CR3):
        write_cr3(w)
    elif code == U(I.INVLPG):
        invalidate_page(w)
    elif code == U(I.RDTSC):
        read_tsc(w, False)
    elif code == U(I.RDTSCP):
        read_tsc(w, True)
    elif code == U(I.READ_CR8):
        read_cr(w, word(w, W.CR8))
    elif code == U(I.WRITE_CR8):
        write_cr8(w)
    elif code == U(I.PORT_ACCESS):
        ask_machine(w, W.Event.PORT)
    elif code == U(I.DEVICE_ACCESS):
        ask_machine(w, W.Event.MMIO)
    elif code == U(I.HLT):
        halt(w)
    elif code == U(I.SHUTDOWN):
        set_word(w, W.STOP, U(W.Stop.TRIPLE_FAULT))
    elif undefined(code):
        raise_exception(w, INVALID_OPCODE, U(0))
    else:
        ask_machine(w, W.Event.INSTRUCTION)
