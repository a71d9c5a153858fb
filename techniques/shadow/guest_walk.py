"""The VMM's software walk of the guest's page tables (Intel SDM vol. 3A sections 4.5 to 4.8).

It decides hidden or true, and writes accessed and dirty flags exactly as the processor's walk does:
the accessed flag of an entry that leads to a table before the next entry is read, the flags of a
leaf only when the access is allowed.
"""

from __future__ import annotations

from hardware_model.mmu.paging import Cr0, Cr4, Efer, PageFault
from techniques.shadow.counts import AD_PROPAGATED, GUEST_ENTRY_READ, Counts
from techniques.shadow.entry_bits import ALL_BITS, ALL_RIGHTS, FRAME, KEEP, NX, PS, RW, US, A, D, P
from techniques.shadow.paging_mode import GuestPaging, PagingMode
from techniques.shadow.ports import GuestMemory

_P, _W, _U = int(PageFault.P), int(PageFault.W), int(PageFault.U)
_RSVD, _I = int(PageFault.RSVD), int(PageFault.I)
_PRESENT_RESERVED = _P | _RSVD
_WP, _SMEP, _SMAP, _NXE = int(Cr0.WP), int(Cr4.SMEP), int(Cr4.SMAP), int(Efer.NXE)


class GuestTranslation:
    """A permitted access.

    `gpa`: guest-physical address; `level`: of the leaf (1, 2, 3 = 4 KiB, 2 MiB, 1 GiB);
    `entry`: the leaf; `rights`: what all entries of the path have in common; `path`: frame number
    and rights so far of each table below the root, from level 3 down.
    """

    __slots__ = ("entry", "gpa", "level", "path", "rights")

    def __init__(
        self, gpa: int, level: int, entry: int, rights: int, path: list[tuple[int, int]]
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

    def __init__(self, guest: GuestMemory, counts: Counts, reads: int = GUEST_ENTRY_READ) -> None:
        self._reads = reads
        self._read64 = guest.read64
        self._write64 = guest.write64
        self._size = guest.size
        self._counts = counts

    def configure(self, paging: GuestPaging, mode: PagingMode) -> None:
        """Take the guest's registers over."""
        self.load_root(paging.cr3)
        self._reserved_table = mode.reserved_table
        self._reserved_large = mode.reserved_large
        self._write_protect = bool(paging.cr0 & _WP)
        self._smep = bool(paging.cr4 & _SMEP)
        self._smap = bool(paging.cr4 & _SMAP)
        self._reports_fetch = self._smep or bool(paging.efer & _NXE)

    def load_root(self, cr3: int) -> None:
        """Take over a new CR3 alone."""
        self._root = cr3 & FRAME

    def walk(
        self, va: int, write: bool, user: bool, fetch: bool, ac: bool
    ) -> GuestTranslation | int:
        """The translation of `va` for one access, or the error code of the page fault it causes.

        `ac` is whether EFLAGS.AC lifts SMAP for this access.
        """
        counts, reads, read64, size = self._counts, self._reads, self._read64, self._size
        table, rights, level, shift = self._root, ALL_RIGHTS, 4, 39
        path: list[tuple[int, int]] = []
        while True:
            counts[reads] += 1
            address = table + (va >> (shift - 3) & 0xFF8)
            entry = read64(address) if address < size else ALL_BITS
            if not entry & P:
                return self._error(0, write, user, fetch)
            reserved = self._reserved_large if entry & PS else self._reserved_table
            if entry & reserved[level]:
                return self._error(_PRESENT_RESERVED, write, user, fetch)
            rights = rights & (entry | KEEP) | entry & NX
            if level == 1 or entry & PS:
                break
            if not entry & A:
                self._set_flags(address, entry | A)
            table = entry & FRAME
            path.append((table >> 12, rights))
            level -= 1
            shift -= 9
        if not self._allows(rights, write, user, fetch, ac):
            return self._error(_P, write, user, fetch)
        flags = A | D if write else A
        if entry & flags != flags:
            entry |= flags
            self._set_flags(address, entry)
        inside = (1 << shift) - 1
        return GuestTranslation(entry & FRAME & ~inside | va & inside, level, entry, rights, path)

    def _allows(self, rights: int, write: bool, user: bool, fetch: bool, ac: bool) -> bool:
        if fetch and rights & NX:
            return False
        if user:
            return bool(rights & US and (rights & RW or not write))
        if write and self._write_protect and not rights & RW:
            return False
        if rights & US:
            return not self._smep if fetch else ac or not self._smap
        return True

    def _error(self, cause: int, write: bool, user: bool, fetch: bool) -> int:
        if write:
            cause |= _W
        if user:
            cause |= _U
        if fetch and self._reports_fetch:
            cause |= _I
        return cause

    def _set_flags(self, address: int, entry: int) -> None:
        if address < self._size:
            self._write64(address, entry)
            self._counts[AD_PROPAGATED] += 1

    def probe(self, va: int) -> int | None:
        """Guest-physical address of `va`, whatever the rights; no side effects on the guest."""
        table, shift = self._root, 39
        for level in (4, 3, 2, 1):
            self._counts[self._reads] += 1
            address = table + (va >> (shift - 3) & 0xFF8)
            entry = self._read64(address) if address < self._size else ALL_BITS
            reserved = self._reserved_large if entry & PS else self._reserved_table
            if not entry & P or entry & reserved[level]:
                return None
            if level == 1 or entry & PS:
                break
            table = entry & FRAME
            shift -= 9
        inside = (1 << shift) - 1
        return entry & FRAME & ~inside | va & inside
