"""Broken shadow pagers are caught by the random guests of `test_against_native`: a proof that cannot fail is none."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from hardware_model.mmu.paging import Cr0, Cr4
from hardware_model.mmu.software_walk import Walk
from techniques.shadow.derivation import Derivation
from techniques.shadow.flushes import Flushes
from techniques.shadow.guest_walk import GuestWalker
from techniques.shadow.pager import ShadowPager
from techniques.shadow.policies.trace import Trace
from techniques.shadow.policies.unsync import Unsync
from techniques.shadow.policies.virtual_tlb import VirtualTlb
from techniques.shadow.shadow_cache import ShadowCache
from techniques.shadow.tracing import TableWrites
from tests.proofs.figures import counted
from tests.techniques.shadow.test_against_native import MIB, run

GUESTS, STEPS = 25, 150
MonkeyPatch = pytest.MonkeyPatch


def nothing(*arguments: Any, **named: Any) -> None:
    """What a broken part does."""


def tables_stay_writable(patch: MonkeyPatch) -> None:
    """A frame that becomes a page table is not taken away from its writers."""
    patch.setattr(Trace, "protect", nothing)


def writes_are_not_followed(patch: MonkeyPatch) -> None:
    """A write to a traced table changes nothing in its shadow."""
    patch.setattr(TableWrites, "update", nothing)


def upper_entries_keep_their_links(patch: MonkeyPatch) -> None:
    """An upper entry that leads elsewhere goes on leading to the old shadow page."""
    patch.setattr(Derivation, "leads_to", lambda self, page, entry, child: True)


def no_flush(patch: MonkeyPatch) -> None:
    """The TLB flushes that the pager owes are never made."""
    patch.setattr(Flushes, "flush", lambda self: setattr(self, "pending", False))


def no_dirty_flag(patch: MonkeyPatch) -> None:
    """A page is writable before its dirty flag is set."""
    whole = ShadowPager._rights
    patch.setattr(
        ShadowPager,
        "_rights",
        lambda self, found, write: whole(self, found, write) | found.rights & 2,
    )


def flags_are_not_propagated(patch: MonkeyPatch) -> None:
    """Accessed and dirty flags do not reach the guest's tables."""
    patch.setattr(GuestWalker, "_set_flags", nothing)


def write_protection_is_always_on(patch: MonkeyPatch) -> None:
    """The software walk takes CR0.WP for set."""
    whole = GuestWalker.configure

    def configure(self: GuestWalker, *modes: Any) -> None:
        whole(self, *modes)
        self.words[Walk.CR0] |= int(Cr0.WP)

    patch.setattr(GuestWalker, "configure", configure)


def no_smap(patch: MonkeyPatch) -> None:
    """The software walk lets the supervisor read the user's pages."""
    whole = GuestWalker.configure

    def configure(self: GuestWalker, *modes: Any) -> None:
        whole(self, *modes)
        self.words[Walk.CR4] &= ~int(Cr4.SMAP)

    patch.setattr(GuestWalker, "configure", configure)


def invlpg_forgets_nothing(patch: MonkeyPatch) -> None:
    """What is stale stays so after INVLPG."""
    for policy in (Unsync, VirtualTlb):
        patch.setattr(policy, "forget", nothing)


def cr3_writes_forget_nothing(patch: MonkeyPatch) -> None:
    """The virtual TLB survives CR3 writes, and unsynchronized tables stay so."""
    patch.setattr(VirtualTlb, "cr3_written", nothing)
    patch.setattr(Unsync, "_synchronize_below", nothing)


def frames_are_used_again_at_once(patch: MonkeyPatch) -> None:
    """A shadow page that is recycled leaves its translations in the TLB."""
    whole = ShadowCache.zap

    def zap(self: ShadowCache, page: Any) -> None:
        owed = self._flushes.pending
        whole(self, page)
        self._flushes.pending = owed

    patch.setattr(ShadowCache, "zap", zap)


BROKEN: list[Callable[[MonkeyPatch], None]] = [
    tables_stay_writable,
    writes_are_not_followed,
    upper_entries_keep_their_links,
    no_flush,
    no_dirty_flag,
    flags_are_not_propagated,
    write_protection_is_always_on,
    no_smap,
    invlpg_forgets_nothing,
    cr3_writes_forget_nothing,
    frames_are_used_again_at_once,
]


def guests(new_world: Any) -> None:
    """Random guests under each policy, with room and without."""
    for seed in range(GUESTS):
        for policy in ("trace", "virtual-tlb", "unsync"):
            pool = 9 if seed % 3 == 2 else 200
            run(new_world(5 * MIB), policy, 2 * MIB, pool, Random(seed), STEPS)


@pytest.mark.parametrize("breaks", BROKEN, ids=lambda breaks: breaks.__name__)
def test_a_broken_pager_is_caught(
    new_world: Any, monkeypatch: MonkeyPatch, breaks: Callable[[MonkeyPatch], None]
) -> None:
    """By what the guest sees: the pager's own verification is off."""
    breaks(monkeypatch)
    monkeypatch.setattr(ShadowPager, "check", nothing)
    with pytest.raises((AssertionError, KeyError)):
        guests(new_world)
    counted("mutants caught: shadow paging")
