"""What a world switch saves and loads: the processor of one VMM and its guest, on a machine that several of them share.

The machine's memory, its TLBs and its remapping unit stay as they are. Each context has its own virtual time and, as a
VMM programs them anew at each world switch, its own timers; the TLBs tell contexts apart by VPID, or are flushed.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hardware_model.cpu.virtual_apic import VirtualApic
from hardware_model.executor import layout as L
from hardware_model.executor import words as W
from hardware_model.machine import Machine
from hardware_model.mmu.state import Word
from hardware_model.partition import Partition
from hardware_model.peripherals import Peripherals, attach_peripherals
from hardware_model.platform import Platform
from hardware_model.snapshot import CPU_STATE_BYTES

_SHARED_WORDS = (W.SLOT_COUNT, W.CODE_BYTES_USED)
_BLOCK_WORDS = (W.CURRENT_TB, W.LAST_TB)
_PAGING = [Word.CR0, Word.CR3, Word.CR4, Word.EFER, Word.EPTP, Word.VPID]
_DR7, _ENABLED = 7, 0xFF


@dataclass(slots=True)
class ProcessorContext:
    """One context while another one is current: registers, native state words, devices, and the VMM's hooks."""

    partition: Partition
    registers: bytes
    words: npt.NDArray[np.uint64]
    paging: npt.NDArray[np.uint64]
    breakpoints: int
    platform: Platform
    peripherals: Peripherals
    msrs: dict[int, int]
    on_exit: Callable[[], int] | None
    on_marker: Callable[[int], None]
    merge_control: Callable[[int, int], int]
    shown_control: Callable[[int, int], int]
    virtual_apic: VirtualApic | None


def save(machine: Machine) -> ProcessorContext:
    """Take the current context off the processor; it must not be running."""
    breakpoints = machine.registers.dr(_DR7)
    if breakpoints & _ENABLED:
        machine.engine.set_dr(_DR7, 0)
    processor = machine.processor
    return ProcessorContext(
        partition=machine.partition,
        registers=bytes(_processor(machine)),
        words=machine.words.copy(),
        paging=machine.mmu[_PAGING].copy(),
        breakpoints=breakpoints,
        platform=machine.platform,
        peripherals=machine.peripherals,
        msrs=dict(processor.msrs.values),
        on_exit=machine.on_exit,
        on_marker=machine.on_marker,
        merge_control=processor.merge_control,
        shown_control=processor.shown_control,
        virtual_apic=machine.virtual_apic,
    )


def load(machine: Machine, context: ProcessorContext) -> None:
    """Put a saved context on the processor; translations that it could confuse with another's are dropped."""
    ctypes.memmove(_processor(machine), context.registers, CPU_STATE_BYTES)
    shared = machine.words[list(_SHARED_WORDS)].copy()
    machine.words[:] = context.words
    machine.words[list(_SHARED_WORDS)] = shared
    machine.words[list(_BLOCK_WORDS)] = 0
    machine.mmu[_PAGING] = context.paging
    processor = machine.processor
    processor.msrs.values = dict(context.msrs)
    processor.merge_control, processor.shown_control = context.merge_control, context.shown_control
    machine.partition = context.partition
    machine.platform, machine.peripherals = context.platform, context.peripherals
    machine.on_exit, machine.on_marker = context.on_exit, context.on_marker
    machine.virtual_apic = context.virtual_apic
    processor.use_bus(context.platform.bus)
    if context.breakpoints & _ENABLED:
        machine.engine.set_dr(_DR7, context.breakpoints)
    if not machine.mmu[Word.VPID]:
        machine.flush_tlb()
    machine.engine.flush_tlb()


def fresh(machine: Machine, power_on: ProcessorContext, partition: Partition) -> ProcessorContext:
    """A context as after power-on, for the VMM of `partition`; `power_on` is one saved before anything ran.

    Its timers and interrupt controller are its own, and so are the devices assigned to it: they sit on the PCI bus with
    the partition's number. The remapping unit is the machine's.
    """
    platform = machine.new_platform()
    machine.place_remapping_unit(platform)
    peripherals = attach_peripherals(platform, machine.dma, machine.counters)
    for function in peripherals.bridge.functions.values():
        function.source_id |= partition.number << 8
    return ProcessorContext(
        partition=partition,
        registers=power_on.registers,
        words=power_on.words.copy(),
        paging=power_on.paging.copy(),
        breakpoints=power_on.breakpoints,
        platform=platform,
        peripherals=peripherals,
        msrs=dict(power_on.msrs),
        on_exit=None,
        on_marker=lambda immediate: None,
        merge_control=lambda number, value: value,
        shown_control=lambda number, value: value,
        virtual_apic=None,
    )


def _processor(machine: Machine) -> ctypes.Array[ctypes.c_char]:
    return (ctypes.c_char * CPU_STATE_BYTES).from_address(machine.engine.cpu + L.ENV)
