"""What the manual lets a processor's translation caches hold: SDM vol. 3A 4.10 (TLBs, paging-structure caches, their
invalidation), vol. 3C 28.4 (VPIDs, EPT roots: linear, guest-physical and combined mappings).

The model keeps *every* translation that a processor may have cached since it was last told to forget it, for a processor
that caches what it uses and nothing ahead of use. An access may therefore come to any of several outcomes; one that is not
among them is stale beyond what the manual allows. Faults are those of walks: like ours, and unlike what 4.10.4.3 would allow,
the processor raises none for a cached translation that permits less than the tables.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

FRAME = 0x000F_FFFF_FFFF_F000
LOAD, STORE, FETCH = 0, 1, 2
OK, PAGE_FAULT, VIOLATION = 0, 1, 2
P, RW, US, A, D, PS, G, NX = (1 << n for n in (0, 1, 2, 5, 6, 7, 8, 63))
SUPERVISOR, USER = False, True


class Context(NamedTuple):
    """What tags cached information: VPID, PCID, EPT root (0: linear mappings)."""

    vpid: int
    pcid: int
    root: int


class Outcome(NamedTuple):
    """Status with the machine address, the error code, or the guest-physical address of a violation."""

    status: int
    value: int


@dataclass(frozen=True)
class Path:
    """Where a walk stands: rights so far, of a region of 2^`shift` bytes whose table is at machine address `table`."""

    context: Context
    base: int
    shift: int
    table: int
    writable: bool = True
    user: bool = True
    executable: bool = True

    def denies(self, kind: int, user: bool) -> bool:
        """Whether the entries so far forbid the access (CR0.WP = 1, EFER.NXE = 1)."""
        by_kind = (kind == STORE and not self.writable) or (kind == FETCH and not self.executable)
        return (user and not self.user) or by_kind


@dataclass(frozen=True)
class Translation:
    """A TLB entry: 2^`shift` bytes at `base`, part of a guest page of 2^`guest_shift` bytes."""

    context: Context
    base: int
    shift: int
    guest_shift: int
    frame: int
    path: Path  # rights of the guest's entries
    ept: int  # rights of the EPT, 7 without
    dirty: bool
    is_global: bool

    def allows(self, kind: int, user: bool) -> bool:
        """Whether it serves the access; a store has to find the dirty flag known to be set."""
        if self.path.denies(kind, user) or not self.ept >> kind & 1:
            return False
        return kind != STORE or self.dirty


@dataclass(frozen=True)
class GuestPhysical:
    """A cached guest-physical mapping of an EPT root."""

    root: int
    base: int
    shift: int
    frame: int
    rights: int


def covers(base: int, shift: int, address: int) -> bool:
    """Whether `address` is among the 2^`shift` bytes around `base`."""
    return base >> shift == address >> shift


@dataclass
class Reference:
    """Everything that may be cached; `ram` is machine memory, tables included."""

    ram: npt.NDArray[np.uint64]
    global_pages: bool = True  # CR4.PGE
    tlb: set[Translation] = field(default_factory=set)
    paths: set[Path] = field(default_factory=set)
    nested: set[GuestPhysical] = field(default_factory=set)

    # accesses

    def outcomes(self, context: Context, cr3: int, va: int, kind: int, user: bool) -> set[Outcome]:
        """What the access may come to; what it may cache on the way is noted."""
        found = {
            Outcome(OK, t.frame | va & (1 << t.shift) - 1)
            for t in self.tlb
            if self.matches(t, context) and covers(t.base, t.shift, va) and t.allows(kind, user)
        }
        starts = [
            path
            for path in self.paths
            if path.context == context
            and covers(path.base, path.shift, va)
            and not path.denies(kind, user)
        ]
        for start in starts:
            found |= self._walk(start, va, kind, user)
        for place in self._guest_physical(context.root, cr3 + 8 * (va >> 39 & 511), LOAD):
            if isinstance(place, Outcome):
                found.add(place)
            else:
                root = place.frame | cr3 + 8 * (va >> 39 & 511) & (1 << place.shift) - 1
                found |= self._walk(Path(context, 0, 48, root & FRAME), va, kind, user)
        return found

    @staticmethod
    def matches(t: Translation, context: Context) -> bool:
        """Global translations serve every PCID of their VPID and EPT root (4.10.2.4)."""
        return t.context == context or (
            t.is_global and t.context._replace(pcid=context.pcid) == context
        )

    def _walk(self, path: Path, va: int, kind: int, user: bool) -> set[Outcome]:
        shift = path.shift - 9
        entry = int(self.ram[path.table + 8 * (va >> shift & 511) >> 3])
        error = (kind == STORE) << 1 | user << 2 | (kind == FETCH) << 4
        if not entry & P:
            return {Outcome(PAGE_FAULT, error)}
        path = replace(
            path,
            base=va >> shift << shift,
            shift=shift,
            writable=path.writable and entry & RW != 0,
            user=path.user and entry & US != 0,
            executable=path.executable and not entry & NX,
        )
        if shift == 12 or entry & PS:
            if path.denies(kind, user):
                return {Outcome(PAGE_FAULT, error | 1)}
            return self._end(path, entry, va, kind)
        return self._descend(path, entry & FRAME, va, kind, user)

    def _descend(self, path: Path, table: int, va: int, kind: int, user: bool) -> set[Outcome]:
        at = table + 8 * (va >> path.shift - 9 & 511)
        found = set()
        for place in self._guest_physical(path.context.root, at, LOAD):
            if isinstance(place, Outcome):
                found.add(place)
                continue
            machine = (place.frame | at & (1 << place.shift) - 1) & FRAME
            below = replace(path, table=machine)
            self.paths.add(below)
            found |= self._walk(below, va, kind, user)
        return found

    def _end(self, path: Path, entry: int, va: int, kind: int) -> set[Outcome]:
        guest = entry & FRAME & ~((1 << path.shift) - 1) | va & (1 << path.shift) - 1
        found = set()
        for place in self._guest_physical(path.context.root, guest, kind):
            if isinstance(place, Outcome):
                found.add(place)
                continue
            shift = min(path.shift, place.shift)
            inside = (1 << shift) - 1
            machine = place.frame | guest & (1 << place.shift) - 1
            self.tlb.add(
                Translation(
                    context=path.context,
                    base=va & ~inside,
                    shift=shift,
                    guest_shift=path.shift,
                    frame=machine & ~inside,
                    path=path,
                    ept=place.rights,
                    dirty=bool(entry & D) or kind == STORE,
                    is_global=self.global_pages and bool(entry & G),
                )
            )
            found.add(Outcome(OK, machine))
        return found

    def _guest_physical(self, root: int, gpa: int, kind: int) -> Iterator[GuestPhysical | Outcome]:
        """Where `gpa` may be: by each cached mapping that allows the access, and by the EPT as it is."""
        if not root:
            yield GuestPhysical(0, 0, 52, 0, 7)
            return
        yield from [
            held
            for held in self.nested
            if held.root == root and covers(held.base, held.shift, gpa) and held.rights >> kind & 1
        ]
        table, rights = root, 7
        for shift in (39, 30, 21, 12):
            entry = int(self.ram[table + 8 * (gpa >> shift & 511) >> 3])
            rights &= entry
            if shift == 12 or entry & PS or not entry & 7:
                break
            table = entry & FRAME
        if not rights >> kind & 1:
            yield Outcome(VIOLATION, gpa)
            return
        inside = (1 << shift) - 1
        mapping = GuestPhysical(root, gpa & ~inside, shift, entry & FRAME & ~inside, rights)
        self.nested.add(mapping)
        yield mapping

    def observe(self, context: Context, va: int, outcome: Outcome, *, final: bool) -> None:
        """A fault invalidates what led to it (4.10.4.1, 28.4.3.1); `final`: a violation of the page itself."""
        if outcome.status == PAGE_FAULT:
            self._forget_page(context, va)
            self.paths = {
                path
                for path in self.paths
                if path.context != context or not covers(path.base, path.shift, va)
            }
        elif outcome.status == VIOLATION:
            self.nested = {
                held
                for held in self.nested
                if held.root != context.root or not covers(held.base, held.shift, outcome.value)
            }
            if final:
                self._forget_page(context, va)

    def _forget_page(self, context: Context, va: int) -> None:
        self.tlb = {
            t
            for t in self.tlb
            if not (self.matches(t, context) and covers(t.base, t.guest_shift, va))
        }

    # invalidation

    def forget(self, tlb: Callable[[Translation], bool], paths: Callable[[Context], bool]) -> None:
        """Drop the translations and the paging-structure caches that an operation names."""
        self.tlb = {t for t in self.tlb if not tlb(t)}
        self.paths = {path for path in self.paths if not paths(path.context)}

    def forget_guest_physical(self, root: int | None) -> None:
        """INVEPT: the guest-physical mappings of one root, or of all."""
        self.nested = {held for held in self.nested if root is not None and held.root != root}
