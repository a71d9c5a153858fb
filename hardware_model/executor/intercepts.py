"""The interrupt hook: every intercept, exception and software interrupt of the guest comes here.

First the clock is set back to the instruction at hand, then the owner of the event is found: the
VMM (VM exit, or trap of a deprivileged guest) or the bare processor. Last, an event left in INJECT
is delivered: that call may not return.
"""

from __future__ import annotations

import numpy as np
from numba import types

from hardware_model.executor import bare, nmi
from hardware_model.executor import delivery as D
from hardware_model.executor import layout as L
from hardware_model.executor import words as W
from hardware_model.executor.blocks import instruction_start
from hardware_model.executor.corrections import rewind
from hardware_model.executor.faults import amended
from hardware_model.executor.intrinsics import (
    address_of,
    call_event,
    load16,
    load32,
    load64,
    store32,
    store64,
)
from hardware_model.executor.operands import code_byte, last_opcode, load_code
from hardware_model.executor.profile import request_interrupt, stop_engine
from hardware_model.executor.state import U, set_word, word
from hardware_model.executor.vmx_apic import halted_again
from hardware_model.executor.vmx_exit import INFO, NO_EXIT, set_field, vm_exit
from hardware_model.executor.vmx_exits import breakpoint_in_vmx, intercepted_in_vmx
from hardware_model.native import callback, inner

I = W.Intercept
UNDEFINED = U(I.EXCEPTION + 6)
INVALID_TSS, GENERAL_PROTECTION = U(10), U(13)
IN_IDT, EXTERNAL = U(2), U(1)  # bits of an error code


@inner
def software_interrupt(w, vector):
    """INT n, INT3: the engine stands behind the instruction; go back to it and decide who gets it."""
    env = word(w, W.ENV)
    store32(env + U(L.ENV_EXCEPTION_IS_INT), U(0))
    tb = word(w, W.CURRENT_TB)
    rewind(w, instruction_start(tb, np.int64(load16(tb + U(L.TB_ICOUNT))) - 1))
    store64(env + U(L.ENV_EIP), word(w, W.INSTRUCTION_PC))
    load_code(w)
    breakpoint = code_byte(w, 0) == U(0xCC)
    mode = word(w, W.MODE)
    if mode == U(W.Mode.DEPRIVILEGED) and word(w, W.DIRECT_GATE) != vector + U(1):
        trap(w, U(I.SWINT), vector)
        return
    if mode == U(W.Mode.VMX_NON_ROOT) and breakpoint:
        reason = breakpoint_in_vmx(w, vector)
        if reason != NO_EXIT:
            set_word(w, W.VMX_REASON, reason)
            return
    kind = D.TYPE_SOFTWARE_EXCEPTION if breakpoint else D.TYPE_SOFTWARE_INTERRUPT
    set_word(w, W.INJECT, D.VALID | (kind << U(8)) | vector)
    set_word(w, W.INJECT_LENGTH, word(w, W.INSTRUCTION_LENGTH))
    set_word(w, W.OWN_SOFTWARE, U(1))


@inner
def trap(w, code, vector):
    """An event of a deprivileged guest enters the VMM through the VMM's own vectors."""
    set_word(w, W.EVENT_CODE, code)
    set_word(w, W.EVENT_VECTOR, vector)
    set_word(w, W.EVENT_ERROR, load32(word(w, W.ENV) + U(L.ENV_ERROR_CODE)))
    call_event(word(w, W.F_EVENT), U(W.Event.TRAP))


@inner
def asynchronous(code):
    return (
        code == U(I.INTR)
        or code == U(I.VINTR)
        or code == U(I.NMI)
        or code == U(I.PHYSICAL_INTERRUPT)
    )


@inner
def software_event(first):
    """Whether an event in vectoring format is an instruction: INT n, INT1 or INT3."""
    return ((first >> U(8)) & U(7)) >= D.TYPE_SOFTWARE_INTERRUPT


@inner
def back_to_software_event(w, first):
    """The delivery of INT n, INT1 or INT3 was cut short; the engine stands behind the instruction."""
    at = word(w, W.ENV) + U(L.ENV_EIP)
    interrupt = word(w, W.ENV) + U(L.ENV_EXCEPTION_IS_INT)
    set_word(w, W.OWN_SOFTWARE, U(0))
    if load32(interrupt) != U(0):
        store32(interrupt, U(0))
        following = load64(word(w, W.ENV) + U(L.ENV_EXCEPTION_NEXT_EIP))
        store64(at, following - word(w, W.INJECT_LENGTH))
    elif ((first >> U(8)) & U(7)) == D.TYPE_PRIVILEGED_EXCEPTION:
        store64(at, load64(at) - word(w, W.INJECT_LENGTH))


@inner
def cut_short(w, code):
    """An intercept while another event was delivered: undo what the engine does differently from the processor.

    It stands behind an INT n that was cut short, numbers IDT entries by 16 in error codes, and never sets EXT
    (SDM vol. 3A 6.13).
    """
    env = word(w, W.ENV)
    first = word(w, W.VECTORING)
    if first == U(0):
        return
    software = software_event(first)
    if software:
        back_to_software_event(w, first)
    vector = code - U(I.EXCEPTION)
    if code < U(I.INTR) and vector >= INVALID_TSS and vector <= GENERAL_PROTECTION:
        error = load32(env + U(L.ENV_ERROR_CODE))
        if (error & IN_IDT) != U(0):
            error = ((error >> U(1)) & U(0x7F8)) | IN_IDT
        store32(env + U(L.ENV_ERROR_CODE), error if software else error | EXTERNAL)


@inner
def executes_below_ring0(code):
    """What a deprivileged guest does without a trap, once CR4.TSD, IOPL and the page tables let it."""
    if code == U(I.CPUID) or code == U(I.RDTSC) or code == U(I.RDTSCP):
        return True
    return code == U(I.PORT_ACCESS) or code == U(I.DEVICE_ACCESS)


@inner
def dispatch(w, code):
    env = word(w, W.ENV)
    set_word(w, W.EVENT_CODE, code)
    if asynchronous(code):
        set_word(w, W.CURRENT_TB, U(0))
    else:
        cut_short(w, code)
        rewind(w, load64(env + U(L.ENV_EIP)))
        if code < U(I.EXCEPTION) or code >= U(I.INTR) or code == UNDEFINED:
            load_code(w)
        if code == U(I.RDTSC) and code_byte(w, 1) == U(0x01):
            code = U(I.RDTSCP)  # 0F 01 F9: the engine reports the part that it shares with RDTSC
        elif code == U(I.WBINVD) and last_opcode(w) == U(0x08):
            code = U(I.INVD)  # the engine reports both as WBINVD
        code = amended(w, code)
        set_word(w, W.EVENT_CODE, code)
        nmi.note_fault_of_iret(w, code)
    mode = word(w, W.MODE)
    if code == U(I.NMI) and nmi.in_shadow(w):
        return  # it comes behind the next instruction
    if mode == U(W.Mode.BARE):
        bare.execute(w, code)
    elif mode == U(W.Mode.VMX_NON_ROOT):
        reason = intercepted_in_vmx(w, code)
        set_word(w, W.VMX_REASON, reason)
        if reason == NO_EXIT:
            bare.execute(w, code)
    elif mode == U(W.Mode.DEPRIVILEGED):
        if executes_below_ring0(code):
            bare.execute(w, code)
            return
        vector = code - U(I.EXCEPTION) if code >= U(I.EXCEPTION) and code < U(I.INTR) else U(0x100)
        trap(w, code, vector)
    else:
        set_word(w, W.STOP, U(W.Stop.REQUESTED))


@inner
def resume(w):
    """Back to the guest: stop if asked to, raise the lines that are up, deliver what is to be delivered."""
    if word(w, W.STOP) != U(0):
        stop_engine(w)
        return
    request = word(w, W.CPU) + U(L.CPU_INTERRUPT_REQUEST)
    if word(w, W.WINDOW) != U(0) or word(w, W.VIRTUAL_INTERRUPT) != U(0):
        store32(request, load32(request) | U(L.INTERRUPT_VIRQ))
    else:
        store32(request, load32(request) & ~U(L.INTERRUPT_VIRQ))
    if word(w, W.IRQ_LINE) != U(0):
        if word(w, W.OWN_INTERRUPTS) != U(0):
            request_interrupt(w)
        else:  # it reaches the VMM before the guest's next instruction
            set_word(w, W.DEADLINE, word(w, W.CLOCK))
    nmi.request(w)
    D.deliver_injected(w)


@inner
def handle(w, number):
    set_word(w, W.VMX_REASON, NO_EXIT)
    if word(w, W.MODE) == U(W.Mode.VMX_NON_ROOT):
        set_field(w, INFO, U(0))  # valid only at exits of events
    if number < U(0x100):
        software_interrupt(w, number)
    else:
        dispatch(w, number - U(0x100))
    while word(w, W.VMX_REASON) < NO_EXIT:
        vm_exit(w, word(w, W.VMX_REASON))
        set_word(w, W.VMX_REASON, halted_again(w))
    resume(w)


@callback(types.void(types.uint64, types.uint32, types.voidptr))
def on_interrupt(uc, number, user_data):
    handle(address_of(user_data), U(number))
