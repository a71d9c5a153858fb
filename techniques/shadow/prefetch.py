"""Filling the neighbours of a shadow entry too, as KVM's `pte_prefetch` does.

The guest's entries that share a cache line with the one just used are read as well; those that the guest has
used before (accessed flag set) get their shadows at once, and save their hidden faults.
"""

from __future__ import annotations

from techniques.knobs import Knob
from techniques.shadow.counts import GUEST_ENTRY_READ
from techniques.shadow.derivation import Derivation
from techniques.shadow.entry_bits import P
from techniques.shadow.resources import Resources
from techniques.shadow.shadow_page import ShadowPage
from techniques.shadow.shadow_tables import ShadowTables

NONE, LINE = 1, 8
PREFETCH = Knob(
    "shadow.prefetch",
    NONE,
    (NONE, LINE),
    "guest page-table entries considered at a hidden fault (KVM: 8)",
    "8: fewer hidden faults where neighbouring pages are used together, seven more entries read at each",
)


class Prefetch:
    """Fills level-1 entries around one that was just set."""

    def __init__(self, resources: Resources, tables: ShadowTables, derivation: Derivation) -> None:
        self._read64 = resources.guest.read64
        self._counts = resources.counts
        self._entries = resources.prefetch
        self._tables = tables
        self._derivation = derivation

    def around(self, page: ShadowPage, index: int, table: int, access: int) -> None:
        """The neighbours of `index` in level-1 `page`, by the guest's table in frame `table`.

        `access` is the rights of the guest's path down to that table.
        """
        if self._entries == NONE:
            return
        first = index & -self._entries
        for near in range(first, first + self._entries):
            if near in page.leaves:
                continue
            self._counts[GUEST_ENTRY_READ] += 1
            entry = self._read64(table << 12 | near << 3)
            if entry & P:
                leaf = self._derivation.entry(entry, 1, access, page.mode)
                if leaf:
                    self._tables.set_leaf(page, near, leaf)
