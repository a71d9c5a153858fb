"""The check of a preset file: what must be there, and one sentence for what is wrong."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from hardware_model.cost_table import KEYS
from hardware_model.mmu.geometry import GeometryError, TlbGeometry
from hardware_model.quantity import KINDS, Quantity
from hardware_model.vmx.feature_levels import BY_LABEL, FeatureLevel

Table = Mapping[str, Any]

_TOP_LEVEL = ("title", "microarchitecture", "vmx", "frequency", "sources", "tlb", "costs")
_NUMBERS = ("value", "low", "high")
_TEXTS = ("unit", "kind", "source")
_NO_VMX = "none"
_LARGEST = 1e15


class PresetError(ValueError):
    """A preset cannot be used; the message is one sentence that names the file and the key."""


def check_top_level(table: Table, file: str) -> None:
    """Every top-level key is known, and none is missing."""
    if unknown := [key for key in table if key not in _TOP_LEVEL]:
        raise PresetError(
            f"{file}: {unknown[0]} is no key of a preset{_hint(unknown[0], _TOP_LEVEL)}"
        )
    if missing := [key for key in _TOP_LEVEL if key not in table]:
        raise PresetError(f"{file}: {missing[0]} is missing")
    for key in ("title", "microarchitecture", "vmx"):
        _text(table[key], key, file)
    levels = (_NO_VMX, *BY_LABEL)
    if table["vmx"] not in levels:
        raise PresetError(f"{file}: vmx is {table['vmx']!r}, not one of {', '.join(levels)}")
    for key in ("sources", "tlb", "costs"):
        if not isinstance(table[key], Mapping):
            raise PresetError(f"{file}: {key} is not a table")


def sources(table: Table, file: str) -> dict[str, str]:
    """The table of sources: key to citation."""
    return {key: _text(text, f"sources.{key}", file) for key, text in table.items()}


def quantity(entry: object, key: str, known: Mapping[str, str], file: str) -> Quantity:
    """The quantity at `key`; its source must begin with a key of the sources `known`."""
    if not isinstance(entry, Mapping):
        raise PresetError(f"{file}: {key} is {entry!r}, not a table with value, low, high, ...")
    names = (*_NUMBERS, *_TEXTS)
    if unknown := [name for name in entry if name not in names]:
        raise PresetError(f"{file}: {key}.{unknown[0]} is unknown{_hint(unknown[0], names)}")
    if missing := [name for name in names if name not in entry]:
        raise PresetError(f"{file}: {key}.{missing[0]} is missing")
    for name in _NUMBERS:
        _number(entry[name], f"{key}.{name}", file)
    if not entry["low"] <= entry["value"] <= entry["high"]:
        raise PresetError(f"{file}: {key} does not lie between its low and its high")
    _origin(entry, key, known, file)
    return Quantity(**entry)


def lacks_ept(vmx: str) -> bool:
    """Whether a processor of that VT-x label translates guest-physical addresses in no hardware."""
    return vmx == _NO_VMX or BY_LABEL[vmx] < FeatureLevel.EPT


def needs_ept(key: str) -> bool:
    """Whether that cost can arise with EPT only."""
    return key.startswith(("ept.", "walk.reference.ept."))


def costs(
    table: Table, known: Mapping[str, str], file: str, *, vmx: str = FeatureLevel.EPT_VPID.label
) -> dict[str, Quantity]:
    """All costs by key, each in cycles and none negative; every key of the cost table is there.

    Without EPT in `vmx` there are no costs of EPT, whatever a base file says.
    """
    entries = dict(flatten(table))
    wanted = [key for key in KEYS if not (lacks_ept(vmx) and needs_ept(key))]
    if unknown := [key for key in entries if key not in KEYS]:
        raise PresetError(f"{file}: costs.{unknown[0]} is no cost{_hint(unknown[0], KEYS)}")
    if missing := [key for key in wanted if key not in entries]:
        raise PresetError(f"{file}: costs.{missing[0]} is missing")
    found = {key: quantity(entries[key], f"costs.{key}", known, file) for key in wanted}
    for key, cost in found.items():
        if cost.unit != "cycles":
            raise PresetError(f"{file}: costs.{key}.unit is {cost.unit!r}, not cycles")
        if cost.low < 0:
            raise PresetError(f"{file}: costs.{key}.low is negative")
    return found


def geometry(table: Table, name: str, known: Mapping[str, str], file: str) -> TlbGeometry:
    """The TLB geometry; each of its numbers has a kind and a source."""
    for key, entry in flatten(table):
        if entry == {}:  # a level that this processor lacks
            continue
        if not isinstance(entry, Mapping):
            raise PresetError(
                f"{file}: tlb.{key} is {entry!r}, not a table with value, kind, source"
            )
        _origin(entry, f"tlb.{key}", known, file)
    try:
        return TlbGeometry.from_mapping(name, table)
    except GeometryError as error:
        raise PresetError(f"{file}: {error}") from error


def flatten(table: Table, prefix: str = "") -> Iterator[tuple[str, object]]:
    """Entries by dotted key; a table with the key `value`, or without any table, is an entry."""
    for name, entry in table.items():
        key = f"{prefix}{name}"
        if isinstance(entry, Mapping) and "value" not in entry and _has_tables(entry):
            yield from flatten(entry, f"{key}.")
        else:
            yield key, entry


def _has_tables(table: Table) -> bool:
    return any(isinstance(entry, Mapping) for entry in table.values())


def _origin(entry: Table, key: str, known: Mapping[str, str], file: str) -> None:
    for name in ("kind", "source"):
        if name not in entry:
            raise PresetError(f"{file}: {key}.{name} is missing")
    if entry["kind"] not in KINDS:
        raise PresetError(f"{file}: {key}.kind is {entry['kind']!r}, not one of {', '.join(KINDS)}")
    cited = _text(entry["source"], f"{key}.source", file).partition(":")[0]
    if cited not in known:
        raise PresetError(f"{file}: {key}.source cites {cited!r}, which is not in [sources]")


def _number(value: object, key: str, file: str) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise PresetError(f"{file}: {key} is {value!r}, not a number")
    if value != value or abs(value) == float("inf"):
        raise PresetError(f"{file}: {key} is {value}, not a finite number")
    if abs(value) > _LARGEST:
        raise PresetError(f"{file}: {key} is beyond {_LARGEST:g}")


def _text(value: object, key: str, file: str) -> str:
    if not isinstance(value, str):
        raise PresetError(f"{file}: {key} is {value!r}, not a text")
    return value


def _hint(word: str, known: Iterable[str]) -> str:
    close = get_close_matches(word, list(known), 1)
    return f"; did you mean {close[0]}?" if close else ""
