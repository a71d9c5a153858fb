"""Extended page tables: entry and EPTP formats, exit-qualification bits, and a builder of tables.

Intel SDM vol. 3C section 28.3.2 (entries), 24.6.11 (EPTP), 27.2.1 table 27-7 (exit qualification;
table 28-7 in newer editions).

      63   62    52 51       M M-1                12 11  10  9   8   7   6    5  3   2  1  0
    +-----+--------+----------+---------------------+---+---+---+---+----+-----+------+--+--+--+
    | #VE | ignored| reserved | table or page frame |ign|XU |ign|   | PS | IPAT| type | X| W| R|
    +-----+--------+----------+---------------------+---+---+-D-+-A-+----+-----+------+--+--+--+
      R, W, X = 0: not present. Memory type and IPAT in leaves only; bits 6:3 of others (7:3 in
      a PML4E) are reserved. D in leaves only; A and D mean something when EPTP bit 6 is set.
"""

from __future__ import annotations

from enum import IntEnum, IntFlag

from hardware_model.mmu.tables import RadixTables


class EptEntry(IntFlag):
    """Bits of an EPT paging-structure entry (SDM vol. 3C tables 28-1 to 28-6)."""

    R = 1 << 0
    W = 1 << 1
    X = 1 << 2
    IPAT = 1 << 6
    PS = 1 << 7
    A = 1 << 8
    D = 1 << 9


class MemoryType(IntEnum):
    """EPT memory types, bits 5:3 of a leaf; 2, 3, 7 are reserved (SDM vol. 3C section 28.3.7)."""

    UC = 0
    WC = 1
    WT = 4
    WP = 5
    WB = 6


class Eptp(IntFlag):
    """Fields of the EPT pointer (SDM vol. 3C table 24-9); the root is in bits 51:12."""

    TYPE_WB = 6
    LENGTH_4 = 3 << 3
    ACCESSED_DIRTY = 1 << 6


class EptViolation(IntFlag):
    """Exit qualification of an EPT violation (SDM vol. 3C table 27-7)."""

    READ = 1 << 0
    WRITE = 1 << 1
    FETCH = 1 << 2
    READABLE = 1 << 3
    WRITABLE = 1 << 4
    EXECUTABLE = 1 << 5
    LINEAR_VALID = 1 << 7
    TRANSLATION = 1 << 8
    """Set: access to the translation of the linear address; clear: to a paging structure."""


RWX = int(EptEntry.R | EptEntry.W | EptEntry.X)


class EptTables(RadixTables):
    """Builds EPT tables in machine memory; entries that lead to a page permit everything."""

    table_flags = RWX
    large_flag = int(EptEntry.PS)
    present_mask = RWX

    def map(
        self,
        gpa: int,
        pa: int,
        length: int,
        permissions: int = RWX,
        page_size: int = 4096,
        memory_type: MemoryType = MemoryType.WB,
    ) -> None:
        """Map `length` bytes at guest-physical `gpa` to machine address `pa`.

        `permissions` are R, W and X of the leaf; `page_size` is 4096, 2 MiB or 1 GiB. Raises
        TableError as `PageTables.map` does.
        """
        self._map(gpa, pa, length, permissions | memory_type << 3, page_size)

    def eptp(self, accessed_dirty: bool = False) -> int:
        """The EPT pointer for these tables: write-back, walk length 4, A/D flags as asked."""
        flags = Eptp.TYPE_WB | Eptp.LENGTH_4 | (Eptp.ACCESSED_DIRTY if accessed_dirty else 0)
        return self.root | int(flags)
