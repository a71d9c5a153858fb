"""Address spaces that code was translated in: those whose roots agree in the entries that map the code.

All processes of a kernel that maps itself alike in each of them share one; a kernel with page-table
isolation has two, since its user roots map little more than its entry code. A unit can be reached only in the
space that it was translated in.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from techniques.binary_translation.layout import TABLE_BYTES, TABLES

if TYPE_CHECKING:
    from techniques.binary_translation.unit import Unit


@dataclass(eq=False, slots=True)
class AddressSpace:
    """Space `number` of the cache in the region at linear `region`: `units` by guest RIP, units by linear page in
    `pages`, and in `roots` the entry of the root table by index, accessed flag apart. `stale`: a table below was
    written since the pages were compared with the tables.
    """

    number: int
    region: int
    units: dict[int, Unit] = field(default_factory=dict)
    pages: dict[int, list[Unit]] = field(default_factory=dict)
    roots: dict[int, int] = field(default_factory=dict)
    stale: bool = False

    @property
    def table(self) -> int:
        """Linear address of the lookup table for indirect transfers."""
        return self.region + TABLES + self.number * TABLE_BYTES
