"""Validation of page tables and of single changes to them: Xen's rules of direct paging.

An entry of level n refers to a table of level n - 1, an entry of level 1 to a frame of the domain, which must not be a
page table if the entry is writable. Whatever breaks a rule changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Protocol

import numpy as np

from hardware_model import counters as counter_table
from techniques.paravirtual import page_entries as E
from techniques.paravirtual.abi import (
    FIRST_GUEST_SLOT_ABOVE,
    FIRST_XEN_SLOT,
    Errno,
    ForeignFrame,
    HypercallError,
)
from techniques.paravirtual.page_types import FrameType, PageTypes

_VALIDATED = counter_table.index("pv.entry_validated")
_MANY = 16  # present entries from which on a table is looked at as a whole
_DESCRIPTOR_SYSTEM, _DESCRIPTOR_PRESENT, _DESCRIPTOR_TYPE = 1 << 44, 1 << 47, 0x1F << 40


class Memory(Protocol):
    """Machine memory."""

    def read64(self, address: int) -> int:
        """An aligned word."""

    def write64(self, address: int, value: int) -> None:
        """Store an aligned word."""

    def read(self, address: int, size: int) -> bytes:
        """Bytes."""

    def write(self, address: int, data: bytes) -> None:
        """Store bytes."""


class PageTables:
    """The page tables of one domain; `xen_entries` are the PML4 entries that are Xen's own, by slot."""

    def __init__(
        self,
        memory: Memory,
        machine_frames: int,
        counters: counter_table.CounterArray,
        xen_entries: dict[int, int],
        *,
        kernel_is_user: bool = True,
    ) -> None:
        self._memory = memory
        self._machine_frames = machine_frames
        self._counts = counters.data
        self._xen_entries = xen_entries
        self._kernel_is_user = kernel_is_user
        self._adjusted = partial(E.adjusted, kernel_is_user=kernel_is_user)
        self.types: PageTypes

    def attach(self, types: PageTypes) -> None:
        """The frames that these tables are made of (which need this object to validate them)."""
        self.types = types

    # --- whole frames -------------------------------------------------------------------------------
    def validate(self, mfn: int, kind: FrameType) -> None:
        """Validate a frame that is to become a table, or to hold segment descriptors."""
        if kind is FrameType.SEGMENT_DESCRIPTORS:
            fixed = [fixed_descriptor(d) for d in self._entries(mfn).tolist()]
            for slot, descriptor in enumerate(fixed):
                self._write((mfn << 12) + 8 * slot, descriptor)
        elif kind.is_table:
            self._validate_table(mfn, int(kind))

    def _validate_table(self, mfn: int, level: int) -> None:
        entries = self._entries(mfn)
        if level == 1 and self._validate_at_once(mfn, entries):
            return
        taken: list[int] = []
        changed: dict[int, int] = {}
        for slot in np.flatnonzero(entries & np.uint64(E.PRESENT)).tolist():
            if level == 4 and is_xen_slot(slot):
                continue
            entry = int(entries[slot])
            try:
                self._reference(level, entry)
            except HypercallError:
                for earlier in taken:
                    self._unreference(level, earlier)
                raise
            taken.append(entry)
            changed[slot] = self._adjusted(level, entry)
        for slot, entry in changed.items():
            if entry != int(entries[slot]):
                self._write((mfn << 12) + 8 * slot, entry)
        if level == 4:
            self._install_xen_slots(mfn)

    def _validate_at_once(self, mfn: int, entries: np.ndarray) -> bool:
        """Validate a table of level 1 if it maps many frames that were never looked at, as at a domain's start."""
        present = entries[entries & np.uint64(E.PRESENT) != 0]
        if len(present) < _MANY or (present & np.uint64(E.disallowed(1))).any():
            return False
        mfns = (present & np.uint64(E.ADDRESS)).astype(np.int64) >> 12
        if not self.types.map_fresh(mfns, present & np.uint64(E.WRITABLE) != 0):
            return False
        self._counts[_VALIDATED] += len(present)
        adjusted = E.adjusted_leaves(entries, kernel_is_user=self._kernel_is_user)
        if (adjusted != entries).any():
            self.types.on_failure(partial(self._memory.write, mfn << 12, entries.tobytes()))
            self._memory.write(mfn << 12, adjusted.tobytes())
        return True

    def _install_xen_slots(self, mfn: int) -> None:
        for slot in range(FIRST_XEN_SLOT, FIRST_GUEST_SLOT_ABOVE):
            self._write((mfn << 12) + 8 * slot, self._xen_entries.get(slot, 0))

    def _write(self, address: int, value: int) -> None:
        """Store part of a frame that is validated, and what was there again if that fails."""
        old = self._memory.read64(address)
        if old != value:
            self.types.on_failure(partial(self._memory.write64, address, old))
            self._memory.write64(address, value)

    def release(self, mfn: int, kind: FrameType) -> None:
        """A table is one no longer: its entries give back their references."""
        level = int(kind)
        entries = self._entries(mfn)
        for slot in np.flatnonzero(entries & np.uint64(E.PRESENT)).tolist():
            if not (level == 4 and is_xen_slot(slot)):
                self._unreference(level, int(entries[slot]))

    def _entries(self, mfn: int) -> np.ndarray:
        return np.frombuffer(self._memory.read(mfn << 12, 4096), np.uint64)

    # --- single entries -----------------------------------------------------------------------------
    def _reference(self, level: int, entry: int) -> None:
        """Take the references that a present entry needs."""
        self._counts[_VALIDATED] += 1
        if entry & E.disallowed(level):
            raise HypercallError(
                Errno.EINVAL, f"level-{level} entry {entry:#x} has a forbidden bit"
            )
        if level == 1:
            self._reference_page(entry)
        else:
            self.types.get_page_and_type(E.frame(entry), FrameType(level - 1))

    def _reference_page(self, entry: int) -> None:
        mfn = E.frame(entry)
        if mfn >= self._machine_frames:
            raise ForeignFrame(Errno.EPERM, mfn, f"frame {mfn:#x} is no memory")
        try:
            self.types.get_page(mfn)
        except HypercallError:
            raise ForeignFrame(Errno.EBUSY, mfn) from None
        if not entry & E.WRITABLE:
            return
        try:
            self.types.get_page_type(mfn, FrameType.WRITABLE)
        except HypercallError as error:
            self.types.put_page(mfn)
            raise HypercallError(Errno.EBUSY, str(error)) from None

    def _unreference(self, level: int, entry: int) -> None:
        mfn = E.frame(entry)
        if level > 1 or entry & E.WRITABLE:
            self.types.put_page_type(mfn)
        self.types.put_page(mfn)

    def update(self, address: int, value: int, *, preserve_ad: bool = False) -> None:
        """Store `value` at machine `address` for the guest: in a table by the table's rules, elsewhere as it is."""
        mfn = address >> 12
        frame = self.types.get_page(mfn)
        try:
            if frame.type.is_table and frame.type_count:
                self.change(frame.type, address, value, preserve_ad=preserve_ad)
            else:
                self.with_writable(mfn, lambda: self._memory.write64(address, value))
        finally:
            self.types.put_page(mfn)

    def change(self, level: int, address: int, new: int, *, preserve_ad: bool = False) -> None:
        """Store `new` in the entry at machine `address` of a validated table of `level`."""
        if level == 4 and is_xen_slot((address & 0xFFF) >> 3):
            raise HypercallError(Errno.EINVAL, "the slot is Xen's own")
        old = self._memory.read64(address)
        kept = old & (E.ACCESSED | E.DIRTY) if preserve_ad else 0
        if not new & E.PRESENT:
            self._memory.write64(address, new | kept)
        elif self._same_references(level, old, new):
            self._check_bits(level, new)
            self._memory.write64(address, self._adjusted(level, new | kept))
            return
        else:
            self._reference(level, new)
            self._memory.write64(address, self._adjusted(level, new | kept))
        if old & E.PRESENT:
            self._unreference(level, old)

    def _check_bits(self, level: int, entry: int) -> None:
        self._counts[_VALIDATED] += 1
        if entry & E.disallowed(level):
            raise HypercallError(
                Errno.EINVAL, f"level-{level} entry {entry:#x} has a forbidden bit"
            )

    @staticmethod
    def _same_references(level: int, old: int, new: int) -> bool:
        if level > 1:
            return bool(old & E.PRESENT) and E.frame(old) == E.frame(new)
        return not (old ^ new) & ~E.L1_UNREFERENCED & E.MASK64

    def with_writable(self, mfn: int, action: Callable[[], None]) -> None:
        """Do `action` while the domain's frame is held writable, as an ordinary store of the guest would."""
        self.types.get_page_and_type(mfn, FrameType.WRITABLE)
        try:
            action()
        finally:
            self.types.put_page_and_type(mfn)


def is_xen_slot(slot: int) -> bool:
    """Whether a PML4 slot is Xen's own."""
    return FIRST_XEN_SLOT <= slot < FIRST_GUEST_SLOT_ABOVE


def fixed_descriptor(descriptor: int) -> int:
    """A guest's descriptor as Xen keeps it: code and data segments get DPL 3; EINVAL for gates and system segments."""
    if not descriptor & _DESCRIPTOR_PRESENT or not descriptor & _DESCRIPTOR_TYPE:
        return descriptor  # the second half of a 16-byte descriptor may look like the latter
    if not descriptor & _DESCRIPTOR_SYSTEM:
        raise HypercallError(Errno.EINVAL, f"descriptor {descriptor:#x} is no code or data segment")
    return descriptor | 3 << 45
