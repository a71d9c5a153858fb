"""Hooks for what the engine cannot intercept: port I/O and SYSCALL."""

from __future__ import annotations

import numpy as np
from numba import types

from hardware_model import counters
from hardware_model.executor import layout as L
from hardware_model.executor import words as W
from hardware_model.executor.intrinsics import (
    address_of,
    call_piip,
    call_pipp,
    call_register,
    load8,
    load32,
    load64,
    store32,
    store64,
)
from hardware_model.executor.memory_access import (
    counter_words,
    exit_from_access,
    flush_evicted,
    load_registers,
    mmu_state,
    ram_words,
)
from hardware_model.executor.state import U, count, set_word, word
from hardware_model.mmu import access, probe
from hardware_model.mmu.state import Status
from hardware_model.mmu.state import Word as M
from hardware_model.native import callback, inner

GENERAL_PROTECTION = U(13)
INVALID_OPCODE = U(6)
PAGE_FAULT = U(14)
READ = 0
CODE64_RING0 = U(0x00AF9B00)
DATA_RING0 = U(0x00CF9300)
_SYSCALL = counters.index("syscall")


@inner
def supervisor_byte(w, va):
    """The byte at linear address `va` as the processor reads it implicitly; 0xFF where it cannot."""
    mmu = mmu_state(w)
    load_registers(w, mmu)
    status, physical = probe.probe(ram_words(w), mmu, va)
    if status != Status.OK or physical >= word(w, W.RAM_BYTES):
        return U(0xFF)
    return load8(word(w, W.RAM) + physical)


@inner
def readable(w, va):
    """Whether memory is mapped at linear address `va`."""
    mmu = mmu_state(w)
    load_registers(w, mmu)
    status, physical = probe.probe(ram_words(w), mmu, va)
    return status == Status.OK and physical < word(w, W.RAM_BYTES)


@inner
def reach_task_state(w, va):
    """The processor reads the TSS at `va`: the fault or VM exit that stands in the way. Does not return then."""
    mmu = mmu_state(w)
    load_registers(w, mmu)
    status = access.translate(ram_words(w), mmu, counter_words(w), va, READ, False, True)
    flush_evicted(w, mmu)
    if status == Status.PAGE_FAULT:
        set_word(w, W.FAULT_ADDRESS, va)
        env = word(w, W.ENV)
        call_piip(word(w, W.F_RAISE_EXCEPTION), env, PAGE_FAULT, mmu[M.OUT_ERROR], U(0))
    elif status == Status.EPT_VIOLATION:
        exit_from_access(w, mmu, U(W.Intercept.EPT_VIOLATION), va, READ, U(0))


@inner
def task_state_byte(w, va):
    """A byte of the TSS."""
    if not readable(w, va):
        reach_task_state(w, va)
    return supervisor_byte(w, va)


@inner
def port_allowed(w, port, size):
    """IOPL and the TSS I/O permission bitmap (SDM vol. 1, 19.5)."""
    env = word(w, W.ENV)
    cpl = load32(env + U(L.ENV_HFLAGS)) & U(3)
    if cpl <= ((load64(env + U(L.ENV_EFLAGS)) >> U(12)) & U(3)):
        return True
    base = load64(env + U(L.ENV_TR + 8))
    limit = load32(env + U(L.ENV_TR + 16))
    if limit < U(0x67):
        return False
    bitmap = task_state_byte(w, base + U(102)) | (task_state_byte(w, base + U(103)) << U(8))
    first = bitmap + (port >> U(3))
    if first + U(1) > limit:
        return False
    bits = task_state_byte(w, base + first) | (task_state_byte(w, base + first + U(1)) << U(8))
    mask = ((U(1) << size) - U(1)) << (port & U(7))
    return (bits & mask) == U(0)


@inner
def port_access(w, port, size, write, value):
    """Leave the IN or OUT for the event layer, or raise #GP. Does not return to the caller."""
    env = word(w, W.ENV)
    if not port_allowed(w, port, size):
        call_piip(word(w, W.F_RAISE_EXCEPTION), env, GENERAL_PROTECTION, U(0), U(0))
    set_word(w, W.EVENT_PHYSICAL, port)
    set_word(w, W.EVENT_SIZE, size)
    set_word(w, W.EVENT_WRITE, write)
    set_word(w, W.EVENT_VALUE, value)
    call_pipp(word(w, W.F_VMEXIT), env, U(W.Intercept.PORT_ACCESS), U(0), U(0))


@callback(types.uint32(types.uint64, types.uint32, types.int32, types.voidptr))
def on_in(uc, port, size, user_data):
    port_access(address_of(user_data), U(port), U(size), U(0), U(0))
    return np.uint32(0)


@callback(types.void(types.uint64, types.uint32, types.int32, types.uint32, types.voidptr))
def on_out(uc, port, size, value, user_data):
    port_access(address_of(user_data), U(port), U(size), U(1), U(value))


@inner
def read_rflags(w):
    at = w + U(8 * W.SCRATCH)
    store64(at, U(0))
    call_register(word(w, W.F_REGISTER_READ), word(w, W.UC), U(W.REGISTER_RFLAGS), at)
    return load64(at)


@inner
def write_rflags(w, value):
    at = w + U(8 * W.SCRATCH + 8)
    store64(at, value)
    call_register(word(w, W.F_REGISTER_WRITE), word(w, W.UC), U(W.REGISTER_RFLAGS), at)


@inner
def load_flat_segment(env, number, selector, flags):
    at = env + U(L.ENV_SEGS) + U(L.SEGMENT_BYTES) * U(number)
    store32(at, selector)
    store64(at + U(8), U(0))
    store32(at + U(16), U(0xFFFFFFFF))
    store32(at + U(20), flags)


@inner
def system_call(w):
    """SYSCALL in 64-bit mode (SDM vol. 2B); the engine adds the instruction's length to RIP afterwards."""
    env = word(w, W.ENV)
    if (load64(env + U(L.ENV_EFER)) & U(1)) == U(0):
        call_piip(word(w, W.F_RAISE_EXCEPTION), env, INVALID_OPCODE, U(0), U(0))
    count(w, _SYSCALL, 1)
    if word(w, W.MODE) == U(W.Mode.DEPRIVILEGED):
        call_pipp(word(w, W.F_VMEXIT), env, U(W.Intercept.SYSCALL), U(0), U(0))
    flags = read_rflags(w)
    store64(env + U(8), load64(env + U(L.ENV_EIP)) + U(2))
    store64(env + U(8 * 11), flags)
    write_rflags(w, flags & ~load64(env + U(L.ENV_FMASK)) & ~U(0x10000))
    selector = (load64(env + U(L.ENV_STAR)) >> U(32)) & U(0xFFFC)
    load_flat_segment(env, 1, selector, CODE64_RING0)
    load_flat_segment(env, 2, selector + U(8), DATA_RING0)
    hflags = env + U(L.ENV_HFLAGS)
    store32(hflags, load32(hflags) & ~U(L.HF_CPL))
    store64(env + U(L.ENV_EIP), load64(env + U(L.ENV_LSTAR)) - U(2))


@callback(types.void(types.uint64, types.voidptr))
def on_syscall(uc, user_data):
    system_call(address_of(user_data))
