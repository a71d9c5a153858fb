"""The context cache, the IOTLB and the interrupt-entry cache (VT-d specification 6.2).

Each holds what the tables said when it was filled, until software invalidates it or a newer entry takes its place:
software that changes a table and does not invalidate leaves devices with the old translation. What was not present or
was malformed is never cached (CAP.CM = 0). Replacement is least recently used.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from hardware_model.vtd.tables import PAGE, Leaf

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")

IOTLB_ENTRIES = 64
CONTEXT_ENTRIES = 32
INTERRUPT_ENTRIES = 32
PAGE_SIZES = (1 << 12, 1 << 21, 1 << 30)


class Cache(Generic[Key, Value]):
    """At most `entries` values by key."""

    def __init__(self, entries: int) -> None:
        self._entries = entries
        self._held: OrderedDict[Key, Value] = OrderedDict()

    def __len__(self) -> int:
        return len(self._held)

    def get(self, key: Key) -> Value | None:
        """The value held for `key`, which becomes the most recently used."""
        value = self._held.get(key)
        if value is not None:
            self._held.move_to_end(key)
        return value

    def put(self, key: Key, value: Value) -> bool:
        """Hold `value`; True if another entry had to go."""
        self._held[key] = value
        if len(self._held) <= self._entries:
            return False
        self._held.popitem(last=False)
        return True

    def drop(self, matches: Callable[[Key, Value], bool] = lambda key, value: True) -> int:
        """Drop the entries that match; how many there were."""
        gone = [key for key, value in self._held.items() if matches(key, value)]
        for key in gone:
            del self._held[key]
        return len(gone)

    def save(self) -> list[tuple[Key, Value]]:
        """Keys and values, least recently used first."""
        return list(self._held.items())

    def restore(self, held: list[tuple[Key, Value]]) -> None:
        """Take over what `save` gave."""
        self._held = OrderedDict(held)


class Iotlb:
    """Translations by domain, page size and page number."""

    def __init__(self, entries: int = IOTLB_ENTRIES) -> None:
        self.cache: Cache[tuple[int, int, int], Leaf] = Cache(entries)

    def find(self, domain: int, address: int) -> Leaf | None:
        """The translation of `address` that the domain's entries hold."""
        for size in PAGE_SIZES:
            leaf = self.cache.get((domain, size, address // size))
            if leaf is not None:
                return leaf
        return None

    def fill(self, domain: int, address: int, leaf: Leaf) -> bool:
        """Hold a walk's result; True if another entry had to go."""
        return self.cache.put((domain, leaf.size, address // leaf.size), leaf)

    def invalidate_pages(self, domain: int, address: int, pages: int) -> int:
        """Drop the domain's entries that overlap `pages` pages of 4 KiB from `address`; how many there were."""
        end = address + pages * PAGE

        def overlaps(key: tuple[int, int, int], leaf: Leaf) -> bool:
            first = key[2] * key[1]
            return key[0] == domain and first < end and address < first + key[1]

        return self.cache.drop(overlaps)
