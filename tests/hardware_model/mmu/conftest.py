"""A small machine for the MMU's tests: 16 MiB, page tables, and optionally an EPT."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from hardware_model.counters import as_dict
from hardware_model.mmu.ept import EptTables
from hardware_model.mmu.geometry import NEHALEM, TlbArray, TlbGeometry
from hardware_model.mmu.paging import Cr0, Cr4, Efer, PageTables
from hardware_model.mmu.state import Kind, Status, Word
from hardware_model.mmu.unit import Mmu

MIB = 1 << 20
GUEST_BASE = 8 * MIB
"""Machine address of the guest's memory when there is an EPT; the guest has 6 MiB."""

TINY = TlbGeometry(
    name="tiny",
    l1i=(TlbArray(("4k",), 4, 2),),
    l1d=(TlbArray(("4k",), 4, 2), TlbArray(("2m",), 2, 2)),
    l2=(TlbArray(("4k",), 8, 4),),
)
"""Two sets of two ways, no 2 MiB pages in the instruction TLB, no walk caches."""


class Machine:
    """Memory, an MMU in long mode, page tables at guest-physical 1 MiB, EPT tables at 2 MiB."""

    def __init__(
        self, geometry: TlbGeometry, nested: bool, ept_page: int, accessed_dirty: bool
    ) -> None:
        self.ram = np.zeros(16 * MIB // 8, np.uint64)
        self.mmu = Mmu(self.ram, geometry)
        self.offset = GUEST_BASE if nested else 0
        self.tables = PageTables(self.ram, MIB, MIB, self.offset)
        self.mmu[Word.CR0] = Cr0.PE | Cr0.WP | Cr0.PG
        self.mmu[Word.CR4] = Cr4.PAE | Cr4.PGE
        self.mmu[Word.EFER] = Efer.LME | Efer.LMA | Efer.NXE
        self.mmu[Word.CR3] = self.tables.root
        if nested:
            self.ept = EptTables(self.ram, 2 * MIB, MIB)
            self.ept.map(0, GUEST_BASE, 6 * MIB, page_size=ept_page)
            self.mmu[Word.EPTP] = self.ept.eptp(accessed_dirty)

    def access(
        self, va: int, kind: Kind = Kind.LOAD, user: bool = False, ac: bool = False
    ) -> Status:
        return self.mmu.translate(va, kind, user, ac)

    def load(self, va: int) -> int:
        """The machine address that a supervisor load of `va` reaches."""
        assert self.mmu.translate(va) == Status.OK
        return self.mmu[Word.OUT_PA]

    def entry(self, va: int, level: int = 1) -> int:
        return self.tables.read(self.tables.entry_address(va, level))

    def set_entry(self, va: int, entry: int, level: int = 1) -> None:
        self.tables.write(self.tables.entry_address(va, level), entry)

    def change_ept(self, gpa: int, set_bits: int = 0, clear: int = 0, level: int = 1) -> None:
        where = self.ept.entry_address(gpa, level)
        self.ept.write(where, (self.ept.read(where) & ~clear) | set_bits)

    def counted(self) -> dict[str, int]:
        """Counters that moved since the last call, and start again from zero."""
        values = as_dict(self.mmu.counters)
        self.mmu.counters[:] = 0
        return values

    def references(self) -> int:
        return self.counted().get("walk.reference", 0)


@pytest.fixture
def native() -> Callable[..., Machine]:
    """Makes machines whose guest-physical addresses are machine addresses."""
    return lambda geometry=NEHALEM: Machine(geometry, False, 4096, False)


@pytest.fixture
def nested() -> Callable[..., Machine]:
    """Makes machines whose guest lies behind an EPT."""
    return lambda geometry=NEHALEM, ept_page=4096, accessed_dirty=False: Machine(
        geometry, True, ept_page, accessed_dirty
    )


@pytest.fixture
def tiny() -> TlbGeometry:
    """The geometry TINY."""
    return TINY
