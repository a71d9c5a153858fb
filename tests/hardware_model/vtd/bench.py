"""A remapping unit on plain memory, with software that builds tables and uses the registers as a VMM would."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from hardware_model import counters as counter_table
from hardware_model.devices.dma import DmaBlocked
from hardware_model.vtd import tables
from hardware_model.vtd.fault_reasons import FaultReason
from hardware_model.vtd.invalidation import Granularity
from hardware_model.vtd.invalidation_queue import (
    context_descriptor,
    iotlb_descriptor,
    wait_descriptor,
)
from hardware_model.vtd.registers import GlobalCommand, Register
from hardware_model.vtd.tables import READ_WRITE, AddressWidth, TranslationType
from hardware_model.vtd.unit import RemappingUnit

MIB = 1 << 20
RAM = 16 * MIB
DEVICE, OTHER_DEVICE = 0x0008, 0x0310  # 00:01.0 and 03:02.0
ROOT, QUEUE, STATUS, IRT, FIRST_TABLE = 0x1000, 0x2000, 0x3000, 0x4000, 0x10000
DATA = 4 * MIB
COMMAND = GlobalCommand


_PATTERN = bytes(DATA) + np.arange(DATA, RAM, 8, dtype=np.uint64).tobytes()


class PlainMemory:
    """Memory of RAM bytes; from DATA on every word holds its own address."""

    def __init__(self) -> None:
        self.size = RAM
        self.bytes = bytearray(_PATTERN)

    def read64(self, address: int) -> int:
        return int.from_bytes(self.bytes[address : address + 8], "little")

    def write64(self, address: int, value: int) -> None:
        self.bytes[address : address + 8] = value.to_bytes(8, "little")

    def read(self, address: int, size: int) -> bytes:
        assert 0 <= address <= address + size <= RAM
        return bytes(self.bytes[address : address + size])

    def write(self, address: int, data: bytes) -> None:
        assert 0 <= address <= address + len(data) <= RAM
        self.bytes[address : address + len(data)] = data


class Bench:
    """The unit, its memory, and the interrupts that came out of it."""

    def __init__(self) -> None:
        self.memory = PlainMemory()
        self.counts = counter_table.new()
        self.interrupts: list[tuple[int, int]] = []
        self.unit = RemappingUnit(
            self.memory,  # type: ignore[arg-type]
            self.counts,
            lambda destination, vector: self.interrupts.append((destination, vector)),
        )
        self._tables = iter(range(FIRST_TABLE, DATA, 4096))
        self._tail = 0

    # registers

    def get(self, register: int, size: int = 4) -> int:
        return self.unit.read_register(register, size)

    def put(self, register: int, value: int, size: int = 4) -> None:
        self.unit.write_register(register, size, value)

    def command(self, *bits: GlobalCommand) -> None:
        for bit in bits:
            self.put(Register.GCMD, self.get(Register.GSTS) & 0x96FFFFFF | bit)

    def counter(self, name: str) -> int:
        return int(self.counts[counter_table.index(name)])

    # tables

    def table(self) -> int:
        return next(self._tables)

    def put_pair(self, where: int, pair: tuple[int, int]) -> None:
        self.memory.write64(where, pair[0])
        self.memory.write64(where + 8, pair[1])

    def attach(
        self,
        device: int,
        domain: int,
        root: int,
        width: AddressWidth = AddressWidth.FOUR_LEVEL,
        kind: TranslationType = TranslationType.TRANSLATED,
        *,
        fault_disable: bool = False,
    ) -> int:
        """Give the device a context entry; where it lies."""
        where = ROOT + (device >> 8) * 16
        if not self.memory.read64(where):
            self.put_pair(where, tables.root_entry(self.table()))
        entry = (self.memory.read64(where) & ~0xFFF) + (device & 0xFF) * 16
        self.put_pair(
            entry, tables.context_entry(domain, root, width, kind, fault_disable=fault_disable)
        )
        return entry

    def entries(
        self, root: int, address: int, levels: int, leaf: int = 1, permissions: int = READ_WRITE
    ) -> Iterator[int]:
        """Addresses of the entries on the way to the one at level `leaf`; missing tables are made."""
        table = root
        for level in range(levels, leaf, -1):
            where = table + (address >> 12 + 9 * (level - 1) & 511) * 8
            if not self.memory.read64(where):
                self.memory.write64(where, self.table() | permissions)
            yield where
            table = self.memory.read64(where) & ~0xFFF
        yield table + (address >> 12 + 9 * (leaf - 1) & 511) * 8

    def map(
        self,
        root: int,
        address: int,
        frame: int,
        permissions: int = READ_WRITE,
        levels: int = 4,
        leaf: int = 1,
    ) -> int:
        """Map one page of level `leaf`; where its entry lies."""
        where = list(self.entries(root, address, levels, leaf))[-1]
        self.memory.write64(where, frame | permissions | (tables.LARGE if leaf > 1 else 0))
        return where

    def start(self) -> None:
        """Root table, queue, translation on."""
        self.put(Register.RTADDR, ROOT, 8)
        self.command(COMMAND.SRTP)
        self.put(Register.IQA, QUEUE, 8)
        self.command(COMMAND.QIE, COMMAND.TE)

    def queue(self, *descriptors: tuple[int, int]) -> None:
        """Submit descriptors."""
        for pair in descriptors:
            self.put_pair(QUEUE + self._tail, pair)
            self._tail = (self._tail + 16) % 4096
        self.put(Register.IQT, self._tail, 8)

    def invalidate_everything(self) -> None:
        self.queue(
            context_descriptor(Granularity.GLOBAL),
            iotlb_descriptor(Granularity.GLOBAL),
            wait_descriptor(STATUS, 1),
        )

    # faults

    def records(self) -> list[tuple[int, int, FaultReason, bool]]:
        """Pending fault records: source, information, reason, read; read and cleared in the unit's order."""
        found = []
        while self.get(Register.FSTS) & 2:
            at = Register.FRCD + 16 * (self.get(Register.FSTS) >> 8 & 0xFF)
            low, high = self.get(at, 8), self.get(at + 8, 8)
            found.append((high & 0xFFFF, low, FaultReason(high >> 32 & 0xFF), bool(high >> 62 & 1)))
            self.put(at + 12, 1 << 31)
        return found

    def blocked(self, *request: int | bytes) -> bool:
        """Whether a read (device, address, size) or a write (device, address, data) is blocked."""
        device, address, what = request
        assert isinstance(device, int) and isinstance(address, int)
        try:
            if isinstance(what, bytes):
                self.unit.write(device, address, what)
            else:
                self.unit.read(device, address, what)
        except DmaBlocked:
            return True
        return False
