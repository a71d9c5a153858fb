"""The guest's memory by linear address, through the page tables that it runs on: arguments and stacks."""

from __future__ import annotations

import struct

from hardware_model.canonical import is_canonical
from hardware_model.machine import Machine
from techniques.paravirtual import page_entries as E
from techniques.paravirtual.abi import HYPERVISOR_END, HYPERVISOR_START, Errno, HypercallError


class LinearMemory:
    """Copies from and to the guest; HypercallError EFAULT where the guest itself could not read or write."""

    def __init__(self, machine: Machine) -> None:
        self._memory = machine.memory
        self._registers = machine.registers

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
        if is_canonical(linear) and not HYPERVISOR_START <= linear < HYPERVISOR_END:
            root = self._registers.cr(3) & E.ADDRESS
            address = self.entry_address(root, linear)
            if address is not None:
                entry = self._memory.read64(address)
                if entry & E.PRESENT and (entry & E.WRITABLE or not write):
                    return (entry & E.ADDRESS) | linear & 0xFFF
        raise HypercallError(Errno.EFAULT, f"the guest cannot access {linear:#x}")

    def read(self, linear: int, size: int) -> bytes:
        """`size` bytes from `linear`."""
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
        return struct.unpack("<" + layout, self.read(linear, struct.calcsize("<" + layout)))

    def pack(self, layout: str, linear: int, *values: int) -> None:
        """Store a record."""
        self.write(linear, struct.pack("<" + layout, *values))
