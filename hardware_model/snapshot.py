"""Saving and restoring a machine between runs: a run continued from a snapshot counts and ends alike.

A snapshot holds what the machine is, not what the engine made of it: translated code and the engine's own
TLB are made anew. It is taken while nothing executes, for instance when a run has used up its budget.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hardware_model.devices.device import State
from hardware_model.executor import layout as L
from hardware_model.executor import words as W
from hardware_model.machine import Machine

CPU_STATE_BYTES = (
    0x15C0  # of the engine's CPU state: registers, flags, segments, MSRs, x87 and SSE; no pointers
)
_FIRST_VALUE = W.CLOCK  # the words before hold addresses of this process
_BLOCK_WORDS = (W.CURRENT_TB, W.LAST_TB)
Words = npt.NDArray[np.uint64]
Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A machine's state: processor, used memory frames by number, MMU, counters, profile, devices, MSRs."""

    processor: bytes
    ram_bytes: int
    frames: npt.NDArray[np.int64]
    memory: Words
    fetched: Bytes
    words: Words
    mmu: Words
    counters: Words
    slots: Words
    code: Bytes
    corrections: Words
    devices: tuple[State, ...]
    msrs: dict[int, int]


def _processor(machine: Machine) -> ctypes.Array[ctypes.c_char]:
    return (ctypes.c_char * CPU_STATE_BYTES).from_address(machine.engine.cpu + L.ENV)


def save(machine: Machine) -> Snapshot:
    """The state of `machine`, which must not be running."""
    engine, words = machine.engine, machine.words
    pages = engine.ram64.reshape(-1, 512)
    used = np.nonzero(pages.any(axis=1))[0]
    slots, code = int(words[W.SLOT_COUNT]), int(words[W.CODE_BYTES_USED])
    return Snapshot(
        processor=bytes(_processor(machine)),
        ram_bytes=engine.ram_bytes,
        frames=used,
        memory=pages[used].copy(),
        fetched=engine.fetched.copy(),
        words=words[_FIRST_VALUE:].copy(),
        mmu=engine.mmu.copy(),
        counters=engine.counters.copy(),
        slots=engine.slots[:slots].copy(),
        code=engine.code_bytes[:code].copy(),
        corrections=engine.corrections.copy(),
        devices=tuple(device.save() for device in machine.platform.devices),
        msrs=dict(machine.processor.msrs.values),
    )


def restore(machine: Machine, snapshot: Snapshot) -> None:
    """Make `machine` what the saved one was; ValueError if its memory or its TLB geometry differ."""
    engine, words = machine.engine, machine.words
    if engine.ram_bytes != snapshot.ram_bytes or engine.mmu.shape != snapshot.mmu.shape:
        raise ValueError("a snapshot needs a machine of the same memory size and TLB geometry")
    pages = engine.ram64.reshape(-1, 512)
    pages[:] = 0
    pages[snapshot.frames] = snapshot.memory
    ctypes.memmove(_processor(machine), snapshot.processor, CPU_STATE_BYTES)
    engine.fetched[:] = snapshot.fetched
    words[_FIRST_VALUE:] = snapshot.words
    for word in _BLOCK_WORDS:
        words[word] = 0
    engine.mmu[:] = snapshot.mmu
    engine.counters[:] = snapshot.counters
    engine.slots[: len(snapshot.slots)] = snapshot.slots
    engine.code_bytes[: len(snapshot.code)] = snapshot.code
    words[W.SLOT_COUNT], words[W.CODE_BYTES_USED] = len(snapshot.slots), len(snapshot.code)
    engine.corrections[:] = snapshot.corrections
    machine.profile.forget()
    for device, state in zip(machine.platform.devices, snapshot.devices, strict=True):
        device.restore(state)
    machine.platform.forget_events()
    machine.processor.msrs.values = dict(snapshot.msrs)
    engine.forget_translations()
