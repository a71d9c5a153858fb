"""What each invalidating operation has to forget: SDM vol. 3A 4.10.4, vol. 2A (INVPCID), vol. 3C 28.4.3, 30.3."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from tests.proofs.tlb_model import Context, Translation, covers


class Invalidation(NamedTuple):
    """What an operation invalidates: which translations, the paging-structure caches of which contexts, which EPT root."""

    tlb: Callable[[Translation], bool]
    paths: Callable[[Context], bool]
    guest_physical: tuple[int | None] | None = None


def invlpg(now: Context, va: int) -> Invalidation:
    """The page of `va` for the current PCID and global; all paging-structure caches of the PCID; any EPT root."""
    return Invalidation(
        lambda t: (
            t.context.vpid == now.vpid
            and (t.context.pcid == now.pcid or t.is_global)
            and covers(t.base, t.guest_shift, va)
        ),
        lambda c: (c.vpid, c.pcid) == (now.vpid, now.pcid),
    )


def move_to_cr3(now: Context, pcid: int, *, keep: bool) -> Invalidation:
    """What is not global of the new PCID, unless bit 63 of the source operand is set (and CR4.PCIDE)."""
    return Invalidation(
        lambda t: (
            not keep and (t.context.vpid, t.context.pcid) == (now.vpid, pcid) and not t.is_global
        ),
        lambda c: not keep and (c.vpid, c.pcid) == (now.vpid, pcid),
    )


def everything_of_the_processor(now: Context) -> Invalidation:
    """MOV to CR4 that changes PGE: all of the current VPID, global and for every PCID."""
    return Invalidation(lambda t: t.context.vpid == now.vpid, lambda c: c.vpid == now.vpid)


def invpcid(now: Context, kind: int, pcid: int, va: int) -> Invalidation:
    """INVPCID (vol. 2A), within the current VPID."""
    mine = lambda c: c.vpid == now.vpid and (kind >= 2 or c.pcid == pcid)  # noqa: E731
    return Invalidation(
        lambda t: (
            mine(t.context)
            and (kind == 2 or not t.is_global)
            and (kind != 0 or covers(t.base, t.guest_shift, va))
        ),
        mine,
    )


def invvpid(kind: int, vpid: int, va: int) -> Invalidation:
    """INVVPID (vol. 3C 30.3): linear and combined mappings, whatever their EPT root."""
    mine = lambda c: c.vpid != 0 if kind == 2 else c.vpid == vpid  # noqa: E731
    return Invalidation(
        lambda t: (
            mine(t.context)
            and (kind != 3 or not t.is_global)
            and (kind != 0 or covers(t.base, t.guest_shift, va))
        ),
        mine,
    )


def invept(kind: int, root: int) -> Invalidation:
    """INVEPT (vol. 3C 30.3): combined and guest-physical mappings, whatever their VPID and PCID."""
    mine = lambda c: c.root != 0 if kind == 2 else c.root == root  # noqa: E731
    return Invalidation(
        lambda t: mine(t.context), mine, guest_physical=(None if kind == 2 else root,)
    )
