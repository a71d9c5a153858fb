"""Accesses and invalidations, and edits of the tables, on our unit and on the reference."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from hardware_model.counters import index
from hardware_model.mmu.geometry import TlbArray, TlbGeometry
from hardware_model.mmu.paging import CR3_KEEP
from hardware_model.mmu.state import Word
from hardware_model.mmu.unit import Mmu
from tests.proofs import tlb_invalidation as I
from tests.proofs import tlb_model as M
from tests.proofs.tlb_invalidation import Invalidation
from tests.proofs.tlb_model import Context, Outcome, Reference
from tests.proofs.tlb_tables import EPTS, FRAMES, Tables

_CR4, _PGE, _PCIDE = 0x20, 1 << 7, 1 << 17


def _each(entries: int, ways: int) -> tuple[TlbArray, ...]:
    return tuple(TlbArray((size,), entries, ways) for size in ("4k", "2m", "1g"))


_ROOM = _each(128, 32)
ROOMY = TlbGeometry("roomy", l1i=_ROOM, l1d=_ROOM, l2=_ROOM, pml4e=16, pdpte=16, pde=16, nested=64)
"""So much room that nothing is replaced."""
TIGHT = TlbGeometry(
    "tight", l1i=_each(2, 1), l1d=_each(2, 1), l2=_each(4, 2), pml4e=1, pdpte=2, pde=2, nested=4
)
NARROW = TlbGeometry(
    "narrow", l1i=_each(4, 2)[:1], l1d=_each(4, 2)[:1], l2=_each(8, 4)[:2], pde=4, nested=4
)
"""No large pages in the first level: they are entered in pieces."""
Operation = tuple[str, tuple[Any, ...]]
"""An operation's name and arguments."""


class Mismatch(AssertionError):
    """The unit did what the manual does not allow, or forgot what nothing told it to forget."""


@dataclass(frozen=True)
class Held:
    """An access that has to hit until something invalidates one of `candidates`."""

    context: Context
    va: int
    kind: int
    user: bool
    candidates: frozenset[M.Translation]


class World(Tables):
    """The unit, the reference, and a TLB of the engine that holds what the unit lets it hold."""

    def __init__(self, geometry: TlbGeometry, unit: Callable[..., Any] = Mmu) -> None:
        super().__init__(unit(np.zeros(FRAMES * 512, np.uint64), geometry))
        self.exact = geometry is ROOMY
        self.reference = Reference(self.mmu.ram)
        self.held: list[Held] = []
        self.engine: dict[
            tuple[bool, int, int], tuple[int, int]
        ] = {}  # user, page, shift: frame, rights
        self.mmu[Word.CR0], self.mmu[Word.EFER] = 0x80010001, 0xD00
        self.mmu[Word.CR3], self.mmu[Word.CR4] = 0x1000, _CR4 | _PGE | _PCIDE

    # state

    @property
    def context(self) -> Context:
        mmu = self.mmu
        pcid = mmu[Word.CR3] & 0xFFF if mmu[Word.CR4] & _PCIDE else 0
        return Context(mmu[Word.VPID], pcid, mmu[Word.EPTP] & M.FRAME)

    def do(self, name: str, arguments: tuple[Any, ...]) -> None:
        """One operation on both."""
        getattr(self, "_" + name)(*arguments)

    def _forget(self, invalidation: Invalidation) -> None:
        """The reference's side of an invalidation, and the engine's, which the unit asked for."""
        self.reference.forget(invalidation.tlb, invalidation.paths)
        if invalidation.guest_physical:
            self.reference.forget_guest_physical(*invalidation.guest_physical)
        self.held = [h for h in self.held if not any(map(invalidation.tlb, h.candidates))]
        self._drop_from_engine()

    def _drop_from_engine(self) -> None:
        if self.mmu.flush_all:
            self.engine.clear()
        for page, shift in self.mmu.evictions:
            linear = page & (1 << 48) - 1
            self.engine = {
                key: value
                for key, value in self.engine.items()
                if key[1] >> shift != linear >> shift
            }

    # accesses

    def _access(self, va: int, kind: int, user: bool) -> None:
        allowed = self.reference.outcomes(
            self.context, self.mmu[Word.CR3] & M.FRAME, va, kind, user
        )
        seen = self._engine_hit(va, kind, user)
        if seen is None:
            seen = self._translate(va, kind, user)
        if seen not in allowed:
            raise Mismatch(f"{va:#x}: {seen}, allowed are {sorted(allowed)}")

    def _engine_hit(self, va: int, kind: int, user: bool) -> Outcome | None:
        for (mode, page, shift), (frame, rights) in self.engine.items():
            if mode == user and va >> shift == page >> shift and rights >> kind & 1:
                return Outcome(M.OK, frame | va & (1 << shift) - 1)
        return None

    def _translate(self, va: int, kind: int, user: bool) -> Outcome:
        mmu, context = self.mmu, self.context
        misses = index("tlb.l1i.miss" if kind == M.FETCH else "tlb.l1d.miss")
        before = int(mmu.counters[misses])
        status = int(mmu.translate(va, kind, user))
        missed = int(mmu.counters[misses]) != before
        final = bool(mmu[Word.OUT_QUALIFICATION] & 1 << 8)
        word = (Word.OUT_PA, Word.OUT_ERROR, Word.OUT_GPA)[status]
        seen = Outcome(status, mmu[word])
        self._check_held(va, kind, user, missed=missed)
        self._drop_from_engine()
        self.reference.observe(context, va, seen, final=final)
        if missed or status != M.OK:
            region = va >> 21
            self.held = [h for h in self.held if h.va >> 21 != region]
        if status == M.OK:
            self._note(va, kind, user, seen)
        return seen

    def _check_held(self, va: int, kind: int, user: bool, *, missed: bool) -> None:
        """A miss needs a reason; one is another translation of the address, found first, that denies the access."""
        if not (missed and self.exact):
            return
        here = [
            t
            for t in self.reference.tlb
            if Reference.matches(t, self.context) and M.covers(t.base, t.guest_shift, va)
        ]
        if not all(t.allows(kind, user) for t in here):
            return
        for held in self.held:
            same = (held.va, held.kind, held.user) == (va, kind, user)
            if same and all(Reference.matches(t, self.context) for t in held.candidates):
                raise Mismatch(f"{va:#x} was cached and nothing invalidated it")

    def _note(self, va: int, kind: int, user: bool, seen: Outcome) -> None:
        shift, rights = self.mmu[Word.OUT_SHIFT], self.mmu[Word.OUT_PROT]
        page = va >> shift << shift
        self.engine[user, page, shift] = (seen.value >> shift << shift, rights)
        candidates = frozenset(
            t
            for t in self.reference.tlb
            if Reference.matches(t, self.context) and M.covers(t.base, t.guest_shift, va)
        )
        self.held.append(Held(self.context, va, kind, user, candidates))

    # what invalidates

    def _cr3(self, root: int, pcid: int, keep: bool) -> None:
        pcide = bool(self.mmu[Word.CR4] & _PCIDE)
        new = pcid if pcide else 0
        invalidation = I.move_to_cr3(self.context, new, keep=keep and pcide)
        self.mmu.write_cr3(root << 12 | new | (CR3_KEEP if keep and pcide else 0))
        self._forget(invalidation)

    def _pcide(self, on: bool) -> None:
        """MOV to CR4; setting PCIDE needs PCID 0, clearing it invalidates everything."""
        was = bool(self.mmu[Word.CR4] & _PCIDE)
        if on == was or (on and self.mmu[Word.CR3] & 0xFFF):
            return
        now = self.context
        if not on:
            self.mmu[Word.CR3] = self.mmu[Word.CR3] & ~0xFFF
        self.mmu[Word.CR4] = self.mmu[Word.CR4] ^ _PCIDE
        self.mmu.flush_vpid(self.mmu[Word.VPID])
        self._forget(I.everything_of_the_processor(now))

    def _pge(self, on: bool) -> None:
        """MOV to CR4; a change of PGE invalidates everything."""
        if on == bool(self.mmu[Word.CR4] & _PGE):
            return
        self.mmu[Word.CR4] = self.mmu[Word.CR4] ^ _PGE
        self.reference.global_pages = on
        self.mmu.flush_vpid(self.mmu[Word.VPID])
        self._forget(I.everything_of_the_processor(self.context))

    def _switch(self, machine: tuple[int, int]) -> None:
        """A VM transition with VPIDs: nothing is invalidated, and the engine's TLB has no tags."""
        vpid, ept = machine
        self.mmu[Word.VPID] = vpid
        self.mmu[Word.EPTP] = EPTS[ept] << 12 | 0x1E if ept >= 0 else 0
        self.engine.clear()

    def _invlpg(self, va: int) -> None:
        self.mmu.invlpg(va)
        self._forget(I.invlpg(self.context, va))

    def _invpcid(self, kind: int, pcid: int, va: int) -> None:
        self.mmu.invpcid(kind, pcid, va)
        self._forget(I.invpcid(self.context, kind, pcid, va))

    def _invvpid(self, kind: int, vpid: int, va: int) -> None:
        self.mmu.invvpid(kind, vpid, va)
        self._forget(I.invvpid(kind, vpid, va))

    def _invept(self, kind: int, number: int) -> None:
        root = EPTS[number] << 12
        self.mmu.invept(kind, root | 0x1E)
        self._forget(I.invept(kind, root))


def perform(
    geometry: TlbGeometry, operations: list[Operation], unit: Callable[..., Any] = Mmu
) -> int:
    """Every operation on a new world; how many of them were accesses."""
    world = World(geometry, unit)
    for name, arguments in operations:
        world.do(name, arguments)
    return sum(name == "access" for name, _ in operations)


def smallest(
    geometry: TlbGeometry, operations: list[Operation], unit: Callable[..., Any] = Mmu
) -> list[Operation]:
    """A sequence that fails, without what it fails without."""
    at = 0
    while at < len(operations):
        shorter = operations[:at] + operations[at + 1 :]
        try:
            perform(geometry, shorter, unit)
            at += 1
        except Mismatch:
            operations = shorter
    return operations
