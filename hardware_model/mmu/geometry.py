"""Sizes of the translation caches of a processor, as a preset's `[tlb]` table names them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

PAGE_SIZES = ("4k", "2m", "1g")
"""Page sizes by name, smallest first; 4 MiB pages count as 2 MiB pages."""

LEVELS = ("l1i", "l1d", "l2")
STRUCTURE_CACHES = ("pml4e", "pdpte", "pde")


class GeometryError(ValueError):
    """A TLB geometry that cannot be built; the message names the field."""


@dataclass(frozen=True, slots=True)
class TlbArray:
    """A set-associative array: `entries` translations of pages of `sizes`, in sets of `ways`."""

    sizes: tuple[str, ...]
    entries: int
    ways: int

    def __post_init__(self) -> None:
        sets = self.entries // self.ways if self.ways > 0 else 0
        if sets < 1 or self.entries % self.ways or sets & (sets - 1):
            raise GeometryError(
                f"{self.entries} entries in {self.ways} ways do not make a power of two of TLB sets"
            )
        if unknown := set(self.sizes) - set(PAGE_SIZES):
            raise GeometryError(
                f"unknown page size {sorted(unknown)[0]!r}: one of {', '.join(PAGE_SIZES)} is meant"
            )

    @property
    def sets(self) -> int:
        """Number of sets, a power of two."""
        return self.entries // self.ways


@dataclass(frozen=True, slots=True)
class TlbGeometry:
    """The translation caches of one processor.

    `l1i` and `l1d` must hold 4 KiB pages; a page of a size that they do not hold is entered in
    pieces of the next smaller size that they do. `l2_fetch` tells whether the second level serves
    instruction fetches too. `pml4e`, `pdpte` and `pde` are the entries of the paging-structure
    caches, `nested` those of the cache of guest-physical translations; 0 means that there is none.
    These four are fully associative.
    """

    name: str
    l1i: tuple[TlbArray, ...]
    l1d: tuple[TlbArray, ...]
    l2: tuple[TlbArray, ...] = ()
    l2_fetch: bool = True
    pml4e: int = 0
    pdpte: int = 0
    pde: int = 0
    nested: int = 0

    def __post_init__(self) -> None:
        for level in LEVELS:
            sizes = [size for array in getattr(self, level) for size in array.sizes]
            if len(set(sizes)) != len(sizes):
                raise GeometryError(f"tlb.{level} of {self.name} has two arrays for one page size")
            if level != "l2" and "4k" not in sizes:
                raise GeometryError(f"tlb.{level} of {self.name} has no array for 4k pages")
        for cache in (*STRUCTURE_CACHES, "nested"):
            if getattr(self, cache) < 0:
                raise GeometryError(f"tlb.{cache} of {self.name} is negative")

    @classmethod
    def from_mapping(cls, name: str, table: Mapping[str, Any]) -> TlbGeometry:
        """The geometry that a preset's `[tlb]` table describes.

        `l1i`, `l1d` and `l2` are tables of page size to [entries, ways]; "4k+2m" names an array
        that two sizes share. `l2_fetch` is a boolean; `pml4e`, `pdpte`, `pde` and `nested` are
        numbers of entries. A number may also be a table with the key `value`; keys that are none of
        these (sources, notes) are left alone. Raises GeometryError.
        """
        arrays = {level: _arrays(level, _value(table.get(level, {}))) for level in LEVELS}
        caches = {key: _value(table.get(key, 0)) for key in (*STRUCTURE_CACHES, "nested")}
        for key, size in caches.items():
            if not isinstance(size, int):
                raise GeometryError(f"tlb.{key} of {name} is {size!r}, not a number of entries")
        return cls(
            name=name,
            l1i=arrays["l1i"],
            l1d=arrays["l1d"],
            l2=arrays["l2"],
            l2_fetch=bool(_value(table.get("l2_fetch", True))),
            **caches,
        )


def _value(item: Any) -> Any:
    return item["value"] if isinstance(item, Mapping) and "value" in item else item


def _arrays(level: str, table: Any) -> tuple[TlbArray, ...]:
    if not isinstance(table, Mapping):
        raise GeometryError(f"tlb.{level} is {table!r}, not a table of page sizes")
    arrays = []
    for sizes, shape in table.items():
        match _value(shape):
            case [int(entries), int(ways)]:
                arrays.append(TlbArray(tuple(sizes.split("+")), entries, ways))
            case _:
                raise GeometryError(f"tlb.{level}.{sizes} is {shape!r}, not [entries, ways]")
    return tuple(arrays)


NEHALEM = TlbGeometry(
    # TLB sizes: Intel 64 and IA-32 Optimization Reference Manual, section on Nehalem's cache and
    # memory subsystem. That core has no 1 GiB pages; the array for them serves VMMs that use them
    # in the EPT. Sizes of the paging-structure and nested caches are unpublished: estimates.
    name="nehalem",
    l1i=(TlbArray(("4k",), 128, 4), TlbArray(("2m",), 7, 7)),
    l1d=(TlbArray(("4k",), 64, 4), TlbArray(("2m",), 32, 4), TlbArray(("1g",), 4, 4)),
    l2=(TlbArray(("4k",), 512, 4),),
    pml4e=2,
    pdpte=4,
    pde=32,
    nested=16,
)
