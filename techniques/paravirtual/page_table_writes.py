"""Plain stores of the guest kernel to its level-1 page tables.

Each faults, for tables are mapped read-only, and is done by Xen as if it were an update ("ptwr"). Linux makes such
stores where it needs an entry's old value atomically.
"""

from __future__ import annotations

from hardware_model import counters as counter_table
from hardware_model.machine import Machine
from techniques.emulator import Emulator
from techniques.paravirtual import page_entries as E
from techniques.paravirtual.abi import HypercallError
from techniques.paravirtual.domain import Domain
from techniques.paravirtual.page_types import FrameType
from techniques.technique import GuestError

_WRITES = counter_table.index("pv.page_table_write")
_PROTECTION_WRITE = 3  # error code: present, write
_WORD = 8


class PageTableWrites(Emulator):
    """Completes such stores for one domain."""

    def __init__(self, machine: Machine, domain: Domain) -> None:
        self._machine = machine
        self._registers = machine.registers
        self._counts = machine.counters.data
        self._domain = domain

    def attempt(self, address: int, error: int) -> bool:
        """Whether the fault was a store to a level-1 table in use, which is done; else the fault is the guest's."""
        if error & _PROTECTION_WRITE != _PROTECTION_WRITE or not self._domain.cpu.kernel_mode:
            return False
        if self._table_address(address) is None:
            return False
        registers, flags = self._registers.gpr.tobytes(), self._registers.rflags
        try:
            self.store()
        except (GuestError, HypercallError):
            self._registers.gpr.cast("B")[:], self._registers.rflags = registers, flags
            return False
        self._counts[_WRITES] += 1
        return True

    def fetch(self) -> bytes:
        """Up to 15 code bytes at the guest's RIP."""
        return self._domain.memory.code(self._registers.rip)

    def _table_address(self, linear: int) -> int | None:
        """Machine address of `linear` if a level-1 table lies there."""
        memory = self._domain.memory
        at = memory.entry_address(self._registers.cr(3) & E.ADDRESS, linear)
        entry = 0 if at is None else self._machine.memory.read64(at)
        mfn = E.frame(entry)
        if not entry & E.PRESENT or not self._domain.is_table(mfn, FrameType.L1):
            return None
        return (mfn << 12) + (linear & 0xFFF)

    def _read(self, linear: int, size: int) -> int:
        return int.from_bytes(self._domain.memory.read(linear, size), "little")

    def _write(self, linear: int, value: int, size: int) -> None:
        """Change the entry that holds these bytes."""
        address = self._table_address(linear)
        if address is None or (linear & (_WORD - 1)) + size > _WORD:
            raise GuestError(f"a store of {size} bytes at {linear:#x} of a page table")
        entry = address & ~(_WORD - 1)
        old = bytearray(self._machine.memory.read(entry, _WORD))
        old[address - entry : address - entry + size] = value.to_bytes(size, "little")
        self._domain.tables.change(1, entry, int.from_bytes(old, "little"))
