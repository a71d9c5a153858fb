"""The native event layer's functions, hung into the engine."""

from __future__ import annotations

import ctypes
from typing import Any

import unicorn
from unicorn.unicorn_py3.unicorn import uclib

from hardware_model.executor import block_entry
from hardware_model.executor import layout as L
from hardware_model.executor.build import UnsupportedEngine
from hardware_model.executor.intercepts import on_interrupt
from hardware_model.executor.memory_access import on_tlb_miss
from hardware_model.executor.ports_and_syscall import on_in, on_out, on_syscall

_library: Any = uclib  # the binding is not typed
_INSTRUCTIONS = {218: on_in, 500: on_out, 699: on_syscall}
"""By the engine's number of the instruction."""


def install(handle: int, cpu: int, words: int) -> None:
    """Have engine `handle`, whose processor is at host address `cpu`, call the event layer with the state at `words`.

    Raises UnsupportedEngine if it refuses a hook.
    """
    ctypes.c_uint64.from_address(cpu + L.CPU_STATE_WORDS).value = words
    ctypes.c_uint64.from_address(cpu + L.CPU_TLB_FILL_SLOTS[0]).value = on_tlb_miss.address
    _hook(handle, words, unicorn.UC_HOOK_BLOCK, block_entry.address())
    _hook(handle, words, unicorn.UC_HOOK_INTR, on_interrupt.address)
    for number, callback in _INSTRUCTIONS.items():
        _hook(handle, words, unicorn.UC_HOOK_INSN, callback.address, number)


def _hook(handle: int, words: int, kind: int, address: int, *extra: int) -> None:
    hook = ctypes.c_size_t()
    arguments = [
        ctypes.c_void_p(handle),
        ctypes.byref(hook),
        ctypes.c_int(kind),
        ctypes.c_void_p(address),
        ctypes.c_void_p(words),
        ctypes.c_uint64(1),
        ctypes.c_uint64(0),
        *(ctypes.c_int(value) for value in extra),
    ]
    add = _library.uc_hook_add
    saved, add.argtypes = add.argtypes, None
    try:
        status = add(*arguments)
    finally:
        add.argtypes = saved
    if status:
        raise UnsupportedEngine(f"unicorn refused hook {kind} with status {status}")
