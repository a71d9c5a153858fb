"""Verification for tests: are shadow tables, records and guest tables what they promise to be?"""

from __future__ import annotations

from techniques.shadow.derivation import Derivation
from techniques.shadow.entry_bits import FRAME, LINK, RW, US, D, G
from techniques.shadow.errors import Inconsistent
from techniques.shadow.ports import GuestMemory
from techniques.shadow.resources import Resources
from techniques.shadow.shadow_cache import ShadowCache
from techniques.shadow.shadow_page import ShadowPage
from techniques.shadow.shadow_tables import ShadowTables
from techniques.shadow.table_index import TableIndex

_WP_ROLE = 1


def _require(condition: bool, page: ShadowPage, index: int, sentence: str) -> None:
    if not condition:
        raise Inconsistent(f"{page!r}, entry {index}: {sentence}")


def check_records(cache: ShadowCache, tables: ShadowTables, resources: Resources) -> None:
    """Raise Inconsistent unless memory, pages' records, parents and reverse map agree."""
    writable = 0
    for page in cache.pages():
        expected = dict(resources.reserved) if page.level == 4 else {}
        expected |= {index: child.address | LINK for index, child in page.links.items()}
        expected |= page.leaves
        for index in range(512):
            address = page.address + 8 * index
            held = resources.machine.read64(address)
            _require(held == expected.get(index, 0), page, index, f"memory holds {held:#x}")
        for index, child in page.links.items():
            known = child.parents.get(page.address + 8 * index) is page
            _require(known, page, index, "the child does not know its parent")
        for index, leaf in page.leaves.items():
            if leaf & RW:
                writable += 1
                writers = tables.reverse_map.writers(tables.frame_of(leaf))
                mapped = page.address + 8 * index in writers
                _require(mapped, page, index, "the reverse map lacks a writable entry")
    if writable != len(tables.reverse_map):
        raise Inconsistent(f"{len(tables.reverse_map)} reverse-map entries for {writable} writers")


def check_against_guest(
    cache: ShadowCache,
    tables: ShadowTables,
    index: TableIndex,
    derivation: Derivation,
    guest: GuestMemory,
) -> None:
    """Raise Inconsistent unless entries follow the guest's tables and no traced frame is writable.

    Pages that are unsynchronized may differ from the guest's tables.
    """
    for page in cache.pages():
        for position, leaf in page.leaves.items():
            _check_writable(page, position, leaf, tables, index)
            if page.direct:
                _check_piece(page, position, leaf, tables)
        if page.direct or page.unsync:
            continue
        for position in (*page.links, *page.leaves):
            entry = guest.read64(page.gfn << 12 | position << 3)
            if position in page.links:
                _check_link(page, position, entry, derivation)
            else:
                _check_leaf(page, position, entry, derivation)


def _check_writable(
    page: ShadowPage, position: int, leaf: int, tables: ShadowTables, index: TableIndex
) -> None:
    if leaf & RW:
        gfn = tables.frame_of(leaf)
        traced = index.traced(gfn) if page.level == 1 else not index.allows_large(gfn, page.level)
        _require(not traced, page, position, "a traced frame is writable")


def _check_piece(page: ShadowPage, position: int, leaf: int, tables: ShadowTables) -> None:
    gfn = page.gfn + (position << 9 * (page.level - 1))
    _require(tables.frame_of(leaf) == gfn, page, position, "maps another frame")
    rights = leaf & (US | G) == page.access & (US | G) and not leaf & RW & ~page.access
    _require(rights, page, position, "has other rights than its page")


def _check_link(page: ShadowPage, position: int, entry: int, derivation: Derivation) -> None:
    child = page.links[position]
    agrees = derivation.leads_to(page, entry, child)
    if child.direct and not page.mode.role & _WP_ROLE:
        agrees = True  # may let a supervisor write to a read-only page
    _require(agrees, page, position, f"{child!r} does not follow from {entry:#x}")


def _check_leaf(page: ShadowPage, position: int, entry: int, derivation: Derivation) -> None:
    leaf, derived = page.leaves[position], derivation.leaf(page, entry)
    agrees = leaf in (derived, derived & ~(RW | D))
    if not agrees and not page.mode.role & _WP_ROLE:
        agrees = bool(entry & D) and leaf & FRAME == derived & FRAME and not leaf & US
    _require(agrees, page, position, f"{leaf:#x} does not follow from {entry:#x}")
