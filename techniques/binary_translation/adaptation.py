"""Adaptive translation: instructions that keep faulting become callouts, and themselves again when they stop.

A store to a traced page table, or an access to a device register, costs a page fault each time. After a few
of them the instruction in the cache is overwritten by a callout, whose handler does at once what the fault's
handler would have found out to be due. After a few accesses to ordinary memory the instruction is put back
(Adams and Agesen, section 3.2, "adaptive binary translation").
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from iced_x86 import Decoder, Instruction, MemorySizeExt, OpKind

from techniques.binary_translation import counts as counted
from techniques.binary_translation.unit import Callout, Kind, Unit
from techniques.deprivileged.exceptions import PAGE_FAULT, GuestException
from techniques.shadow.counts import PF_MMIO, PF_WRITE_PROTECT
from techniques.shadow.guest_walk import LOAD, SMAP_LIFTED, STORE

if TYPE_CHECKING:
    from techniques.binary_translation.vmm import BinaryTranslation

PATIENCE = 3
"""Faults in a row after which an instruction is adapted; needless callouts after which it is put back."""

_CALLOUT = b"\x0f\x0b"
_LONGEST = 15


class Adaptation:
    """Which translated instructions keep faulting, or no longer need the VMM; by their address."""

    def __init__(self, vmm: BinaryTranslation, *, enabled: bool) -> None:
        self._vmm = vmm
        self._counts = vmm.bt_counts
        self._enabled = enabled
        self._times: dict[int, int] = {}

    def faults(self) -> int:
        """Page faults so far by which an access turned out to be the VMM's to perform."""
        return int(self._counts[PF_WRITE_PROTECT]) + int(self._counts[PF_MMIO])

    def faulted(self, unit: Unit, address: int) -> None:
        """The access at `address` of the cache was the VMM's to perform."""
        rip = unit.mark(address).rip
        if not self._enabled or not unit.valid or rip is None or unit.access(rip) != address:
            return
        code = self._vmm.cache.read(address, min(_LONGEST, unit.end - address))
        instruction = Decoder(64, code, ip=address).decode()
        if not _can_adapt(instruction):
            return
        if self._reached(address):
            unit.traced = unit.traced or {}
            unit.traced[address] = code[: len(_CALLOUT)]
            unit.callouts[address] = Callout(Kind.TRACED, instruction)
            self._vmm.cache.write(address, _CALLOUT)
            self._counts[counted.ADAPTED] += 1

    def _reached(self, address: int) -> bool:
        times = self._times[address] = self._times.get(address, 0) + 1
        if times >= PATIENCE:
            del self._times[address]
        return times >= PATIENCE

    def perform(self, unit: Unit, instruction: Instruction) -> None:
        """An adapted instruction is to be performed; raises the page fault that it causes."""
        vmm, address = self._vmm, unit.access(self._vmm.machine.registers.rip)
        assert address is not None
        write = instruction.op0_kind == OpKind.MEMORY
        linear = vmm.emulator.linear_address(instruction)
        lifted = SMAP_LIFTED if vmm.machine.registers.alignment_check else 0
        found = vmm.shadow.walker.walk(linear, (STORE if write else LOAD) | lifted)
        if isinstance(found, int):
            raise GuestException(PAGE_FAULT, found, linear)
        if found.gpa >= vmm.memory.size:
            self._times.pop(address, None)
            vmm.emulator.device_access(found.gpa, known=True)
        elif (
            write
            and vmm.shadow.pager.is_traced(found.gpa >> 12)
            and not _crosses(instruction, linear)
        ):
            self._times.pop(address, None)
            vmm.emulate_store(found.gpa, known=True)
        elif not write or self._reached(address) or _crosses(instruction, linear):
            self._revert(unit, address)
        else:
            vmm.emulator.store(known=True)

    def _revert(self, unit: Unit, address: int) -> None:
        assert unit.traced is not None
        del unit.callouts[address]
        self._vmm.cache.write(address, unit.traced.pop(address))
        self._times.pop(address, None)
        self._counts[counted.REVERTED] += 1


def _can_adapt(instruction: Instruction) -> bool:
    """Stores and loads with a memory operand of their own, and room for the callout."""
    memory = OpKind.MEMORY in (instruction.op0_kind, instruction.op1_kind)
    return memory and instruction.len >= len(_CALLOUT) and not instruction.is_string_instruction


def _crosses(instruction: Instruction, linear: int) -> bool:
    return (linear & 0xFFF) + MemorySizeExt.size(instruction.memory_size) > 0x1000
