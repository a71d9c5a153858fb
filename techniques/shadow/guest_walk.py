"""The VMM's software walk of the guest's page tables (Intel SDM vol. 3A sections 4.5 to 4.8).

It decides hidden or true, and writes accessed and dirty flags exactly as the processor's walk does:
the accessed flag of an entry that leads to a table before the next entry is read, the flags of a
leaf only when the access is allowed.
"""

from __future__ import annotations

import struct

import numpy as np

from hardware_model.counters import CounterArray
from hardware_model.mmu import software_walk
from hardware_model.mmu.paging import PageFault
from hardware_model.mmu.software_walk import LEAF_FLAGS, ROOT_LEVEL, TABLE_FLAGS, Walk, walk_tables
from techniques.shadow.counts import AD_PROPAGATED, GUEST_ENTRY_READ, view
from techniques.shadow.paging_mode import GuestPaging, PagingMode
from techniques.shadow.ports import GuestMemory

LOAD, STORE, FETCH = 0, int(PageFault.W), int(PageFault.I)
USER, SMAP_LIFTED = int(PageFault.U), software_walk.SMAP_LIFTED
"""What an access is: LOAD, STORE or FETCH, by user code, with EFLAGS.AC lifting SMAP; to be added up."""

_LINEAR = (1 << 48) - 1  # the bits of a linear address that a walk uses
_RESULT = struct.Struct("10Q")  # from Walk.GPA on


class GuestTranslation:
    """A permitted access.

    `gpa`: guest-physical address; `level`: of the leaf (1, 2, 3 = 4 KiB, 2 MiB, 1 GiB);
    `entry`: the leaf; `rights`: what all entries of the path have in common; `path`: frame number
    and rights so far of each table below the root, from level 3 down.
    """

    __slots__ = ("entry", "gpa", "level", "path", "rights")

    def __init__(
        self, gpa: int, level: int, entry: int, rights: int, path: tuple[tuple[int, int], ...]
    ) -> None:
        self.gpa = gpa
        self.level = level
        self.entry = entry
        self.rights = rights
        self.path = path


class GuestWalker:
    """Walks the tables in `guest` memory under the registers last given to `configure`.

    `reads` is the counter of entries read. A VMM in the guest's address space has its own accesses
    translated by the processor: a walk that stands for that counts apart.
    """

    def __init__(
        self, guest: GuestMemory, counters: CounterArray, reads: int = GUEST_ENTRY_READ
    ) -> None:
        self._tables = guest.words
        self._write64 = guest.write64
        self._counters = counters
        self._counts = view(counters)
        self._array = np.zeros(software_walk.WORDS, np.uint64)
        self.words = self._array.data
        """The words `software_walk.Walk` of the last walk, and the registers that the next one uses."""
        self.words[Walk.READS] = reads
        self._found = self.words[Walk.GPA : Walk.ADDRESS]

    def configure(self, paging: GuestPaging, mode: PagingMode) -> None:
        """Take the guest's registers over."""
        words = self.words
        words[Walk.CR0], words[Walk.CR4] = paging.cr0, paging.cr4
        words[Walk.CR3], words[Walk.EFER] = paging.cr3, paging.efer
        for level in range(1, ROOT_LEVEL + 1):
            words[Walk.RESERVED_TABLE + level] = mode.reserved_table[level]
            words[Walk.RESERVED_LARGE + level] = mode.reserved_large[level]

    def load_root(self, cr3: int) -> None:
        """Take over a new CR3 alone."""
        self.words[Walk.CR3] = cr3

    def walk(self, va: int, access: int) -> GuestTranslation | int:
        """The translation of `va` for one access (`LOAD` and so on), or the error code of the page fault it causes."""
        va &= _LINEAR
        status = walk_tables(self._tables, self._array, self._counters, va, access, ROOT_LEVEL)
        while status == TABLE_FLAGS:
            self._set_flags()
            level = self.words[Walk.LEVEL]
            status = walk_tables(self._tables, self._array, self._counters, va, access, level)
        if status >= 0:
            return status
        if status == LEAF_FLAGS:
            self._set_flags()
        return self._result()

    def _result(self) -> GuestTranslation:
        gpa, level, entry, rights, gfn3, access3, gfn2, access2, gfn1, access1 = _RESULT.unpack(
            self._found
        )
        path: tuple[tuple[int, int], ...] = ((gfn3, access3), (gfn2, access2), (gfn1, access1))
        if level > 1:
            path = path[: ROOT_LEVEL - level]
        return GuestTranslation(gpa, level, entry, rights, path)

    def _set_flags(self) -> None:
        """Store the entry whose accessed or dirty flag the last walk found missing."""
        self._write64(self.words[Walk.ADDRESS], self.words[Walk.ENTRY])
        self._counts[AD_PROPAGATED] += 1

    def probe(self, va: int) -> int | None:
        """Guest-physical address of `va`, whatever the rights; no side effects on the guest."""
        gpa = software_walk.probe_tables(self._tables, self._array, self._counters, va & _LINEAR)
        return None if gpa < 0 else gpa
