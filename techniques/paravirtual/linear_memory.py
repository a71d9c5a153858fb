"""The guest's memory by linear address, through the page tables that it runs on: arguments and stacks."""

from __future__ import annotations

import struct
from functools import cache

from hardware_model.canonical import is_canonical
from hardware_model.machine import Machine
from techniques.paravirtual import page_entries as E
from techniques.paravirtual.abi import HYPERVISOR_END, HYPERVISOR_START, Errno, HypercallError

_TO_SLOT, _SLOT = (36, 27, 18), 0xFF8
"""Shifts to the offset of a linear address's entry in tables of levels 4 to 2, and the offset's bits."""


@cache
def _record(layout: str) -> struct.Struct:
    return struct.Struct("<" + layout)


class LinearMemory:
    """Copies from and to the guest; HypercallError EFAULT where the guest's kernel itself could not read or write.

    That is Xen's rule for pointers in hypercalls (`guest_handle_okay`, then a copy through the guest's own mapping with
    CR0.WP set): never an address in the hypervisor's slots, the machine-to-physical table among them; never a write
    through a read-only entry of any level, as which page tables are mapped. `kernel_is_user`: it runs at CPL 3.
    """

    def __init__(self, machine: Machine, *, kernel_is_user: bool = True) -> None:
        self._memory = machine.memory
        self._registers = machine.registers
        self._readable = E.PRESENT | (E.USER if kernel_is_user else 0)

    def entry_address(self, root: int, linear: int, level: int = 1) -> int | None:
        """Machine address of the entry of `level` for `linear` below `root`; None if a table on the way is missing."""
        table = root
        for at in (4, 3, 2, 1):
            address = table + (linear >> 12 + 9 * (at - 1) & 511) * 8
            if at == level:
                return address
            entry = self._memory.read64(address)
            if not entry & E.PRESENT or entry & E.LARGE:
                return None
            table = entry & E.ADDRESS
        return None

    def _machine_address(self, linear: int, write: bool) -> int:
        """Where the guest kernel would read or write: each level must allow it and notes it (SDM vol. 3A, 4.6, 4.8)."""
        if is_canonical(linear) and not HYPERVISOR_START <= linear < HYPERVISOR_END:
            noted = self._noted(linear, write)
            if noted is not None:
                return noted
            needed = self._readable | (E.WRITABLE if write else 0)
            path, table = [], self._registers.cr(3) & E.ADDRESS
            for level in (4, 3, 2, 1):
                at = table + (linear >> 12 + 9 * (level - 1) & 511) * 8
                entry = self._memory.read64(at)
                if entry & needed != needed or (level > 1 and entry & E.LARGE):
                    break
                path.append((at, entry))
                table = entry & E.ADDRESS
            else:
                self._note_access(path, write)
                return table | linear & 0xFFF
        raise HypercallError(Errno.EFAULT, f"the guest cannot access {linear:#x}")

    def _noted(self, linear: int, write: bool) -> int | None:
        """The same where the way there needs nothing to be noted, as is usual; None: not so, or there is no way."""
        read, needed = self._memory.read64, self._readable | E.ACCESSED
        if write:
            needed |= E.WRITABLE
        table, seen = self._registers.cr(3) & E.ADDRESS, needed | E.LARGE
        for shift in _TO_SLOT:
            entry = read(table + (linear >> shift & _SLOT))
            if entry & seen != needed:
                return None
            table = entry & E.ADDRESS
        entry = read(table + (linear >> 9 & _SLOT))
        if write:
            needed |= E.DIRTY
        return entry & E.ADDRESS | linear & 0xFFF if entry & needed == needed else None

    def _note_access(self, path: list[tuple[int, int]], write: bool) -> None:
        for level, (at, entry) in zip((4, 3, 2, 1), path, strict=True):
            noted = entry | E.ACCESSED | (E.DIRTY if write and level == 1 else 0)
            if noted != entry:
                self._memory.write64(at, noted)

    def read(self, linear: int, size: int) -> bytes:
        """`size` bytes from `linear`."""
        if (linear & 0xFFF) + size <= 0x1000 and size:
            return self._memory.read(self._machine_address(linear, False), size)
        parts = []
        while size:
            count = min(size, 0x1000 - (linear & 0xFFF))
            parts.append(self._memory.read(self._machine_address(linear, False), count))
            linear, size = linear + count, size - count
        return b"".join(parts)

    def write(self, linear: int, data: bytes) -> None:
        """Store `data` at `linear`."""
        while data:
            count = min(len(data), 0x1000 - (linear & 0xFFF))
            self._memory.write(self._machine_address(linear, True), data[:count])
            linear, data = linear + count, data[count:]

    def code(self, linear: int) -> bytes:
        """Up to 15 bytes of code at `linear`; fewer if the page or the next one cannot be read."""
        within = min(15, 0x1000 - (linear & 0xFFF))
        found = b""
        try:
            found = self.read(linear, within)
            return found + self.read(linear + within, 15 - within)
        except HypercallError:  # a jump to nowhere
            return found

    def unpack(self, layout: str, linear: int) -> tuple[int, ...]:
        """A record in `struct` notation, little-endian."""
        record = _record(layout)
        return record.unpack(self.read(linear, record.size))

    def pack(self, layout: str, linear: int, *values: int) -> None:
        """Store a record."""
        self.write(linear, _record(layout).pack(*values))
