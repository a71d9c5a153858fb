"""4-level paging: control bits, entry bits, page-fault error codes, and a builder of page tables.

Intel SDM vol. 3A section 4.5 (entry formats), 4.6 (access rights), 4.7 (page-fault error code).

      63  62    52 51       M M-1                12 11  9  8   7   6  5  4   3   2   1  0
    +----+--------+----------+---------------------+-----+---+----+---+--+---+---+---+---+-+
    | NX | ignored| reserved | table or page frame | ign | G | PS | D |A |PCD|PWT|U/S|R/W|P|
    +----+--------+----------+---------------------+-----+---+----+---+--+---+---+---+---+-+
      M = MAXPHYADDR; NX is reserved when EFER.NXE = 0; G, PS and D mean something in leaves only;
      PS is reserved in a PML4E; in a 4 KiB leaf bit 7 is PAT; in a large leaf bit 12 is PAT and the
      frame bits above it, below the page size, are reserved.
"""

from __future__ import annotations

from enum import IntFlag

from hardware_model.mmu.tables import RadixTables


class Cr0(IntFlag):
    """Bits of CR0 that govern translation (SDM vol. 3A section 2.5)."""

    PE = 1 << 0
    WP = 1 << 16
    PG = 1 << 31


class Cr4(IntFlag):
    """Bits of CR4 that govern translation (SDM vol. 3A section 2.5)."""

    PAE = 1 << 5
    PGE = 1 << 7
    PCIDE = 1 << 17
    SMEP = 1 << 20
    SMAP = 1 << 21
    PKS = 1 << 24


class Efer(IntFlag):
    """Bits of IA32_EFER that govern translation (SDM vol. 3A section 2.2.1)."""

    LME = 1 << 8
    LMA = 1 << 10
    NXE = 1 << 11


class Entry(IntFlag):
    """Bits of a paging-structure entry (SDM vol. 3A tables 4-15 to 4-20)."""

    P = 1 << 0
    RW = 1 << 1
    US = 1 << 2
    PWT = 1 << 3
    PCD = 1 << 4
    A = 1 << 5
    D = 1 << 6
    PS = 1 << 7
    G = 1 << 8
    PAT_LARGE = 1 << 12
    NX = 1 << 63


class PageFault(IntFlag):
    """Bits of the page-fault error code (SDM vol. 3A figure 4-12)."""

    P = 1 << 0
    W = 1 << 1
    U = 1 << 2
    RSVD = 1 << 3
    I = 1 << 4
    PK = 1 << 5


CR3_KEEP = 1 << 63
"""Bit 63 of the value moved to CR3: keep the cached translations of the new PCID."""

KEY_BITS = 15 << 59
"""Bits 62:59 of a leaf, its protection key."""

FRAME_BITS = 0x000F_FFFF_FFFF_F000
"""Bits 51:12, the physical address in an entry or in CR3."""


class PageTables(RadixTables):
    """Builds 4-level page tables in memory; `root` is the value for CR3.

    Every entry that leads to a page permits everything (P, R/W, U/S); rights are those of the leaf.
    """

    table_flags = int(Entry.P | Entry.RW | Entry.US)
    large_flag = int(Entry.PS)
    present_mask = int(Entry.P)

    def map(
        self,
        va: int,
        pa: int,
        length: int,
        flags: int = int(Entry.P | Entry.RW),
        page_size: int = 4096,
    ) -> None:
        """Map `length` bytes at linear `va` to physical `pa` with leaf bits `flags`.

        `page_size` is 4096, 2 MiB or 1 GiB. Raises TableError for misaligned addresses, when the
        region for tables is full, or when a larger page is already mapped there.
        """
        self._map(va, pa, length, flags, page_size)
