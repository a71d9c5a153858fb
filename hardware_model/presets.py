"""Presets: what a named microarchitecture's events cost, and the sizes of its translation caches.

The presets of the package are the TOML files in the folder `presets` beside this file. A file of
a user's own is named by its path; with `base = "nehalem"` it holds only what it replaces.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from hardware_model import preset_schema as schema
from hardware_model.mmu.geometry import TlbGeometry
from hardware_model.preset_schema import PresetError
from hardware_model.quantity import Quantity

_FOLDER = Path(__file__).with_suffix("")
_SUFFIX = ".toml"
_LONGEST_CHAIN = 8
DEFAULT = "nehalem"


@dataclass(frozen=True, slots=True)
class Preset:
    """A checked preset.

    `vmx` is the label of a VT-x feature level, or "none". `costs` has every key of
    `hardware_model.cost_table` in cycles, but none of EPT where `vmx` has no EPT; `geometry` is the
    translation caches; `frequency` in hertz turns cycles into time.
    """

    name: str
    title: str
    microarchitecture: str
    vmx: str
    frequency: Quantity
    sources: Mapping[str, str]
    geometry: TlbGeometry
    costs: Mapping[str, Quantity]


def names() -> list[str]:
    """The names of the presets of the package, sorted."""
    return sorted(path.stem for path in _FOLDER.glob(f"*{_SUFFIX}"))


def load(name_or_path: str | Path) -> Preset:
    """The preset of that name, or the one in that file; PresetError says what is wrong with it."""
    path = _path(name_or_path)
    table, file = _merged(path), str(path)
    schema.check_top_level(table, file)
    known = schema.sources(table["sources"], file)
    return Preset(
        name=path.stem,
        title=table["title"],
        microarchitecture=table["microarchitecture"],
        vmx=table["vmx"],
        frequency=schema.quantity(table["frequency"], "frequency", known, file),
        sources=known,
        geometry=schema.geometry(table["tlb"], path.stem, known, file),
        costs=schema.costs(table["costs"], known, file, vmx=table["vmx"]),
    )


def digest(name_or_path: str | Path) -> str:
    """SHA-256 of the preset's whole content, what it takes from its base included."""
    return _hash(_merged(_path(name_or_path)))


def geometry_digest(name_or_path: str | Path) -> str:
    """SHA-256 of the sizes of the translation caches: all of a preset that counters depend on."""
    return _hash(repr(load(name_or_path).geometry))


def _hash(content: object) -> str:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _path(name_or_path: str | Path) -> Path:
    """The file of a preset: a known name, else a path that ends in .toml."""
    if str(name_or_path) in names():
        return _FOLDER / f"{name_or_path}{_SUFFIX}"
    path = Path(name_or_path)
    if path.suffix != _SUFFIX:
        raise PresetError(
            f"there is no preset {str(name_or_path)!r}: known are {', '.join(names())}, "
            f"and a file of your own is named by its path ending in {_SUFFIX}"
        )
    return path


def _merged(path: Path) -> dict[str, Any]:
    """The file's table laid over that of its base, if it names one."""
    chain = [_read(path)]
    while base := chain[-1].pop("base", None):
        if len(chain) == _LONGEST_CHAIN:
            raise PresetError(f"{path}: base leads through more than {_LONGEST_CHAIN} files")
        if not isinstance(base, str):
            raise PresetError(f"{path}: base is {base!r}, not the name of a preset or a path")
        found = _path(base)
        chain.append(_read(path.parent / found))
    table: dict[str, Any] = {}
    for overlay in reversed(chain):
        table = _overlay(table, overlay)
    return table


def _read(path: Path) -> dict[str, Any]:
    try:
        return dict(_parsed(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise PresetError(f"{path} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise PresetError(f"{path} is no TOML: {error}") from error


@cache
def _parsed(text: str) -> dict[str, Any]:
    """A file's table; bases are read once for every file that lies over them."""
    return tomllib.loads(text)


def _overlay(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`over` laid over `under`: tables are merged, an entry with a `value` is replaced whole.

    A level of the TLBs is replaced whole too: its arrays belong together.
    """
    merged = dict(under)
    for key, entry in over.items():
        below = merged.get(key)
        if key == "tlb" and isinstance(below, Mapping) and isinstance(entry, Mapping):
            merged[key] = {**below, **entry}
        elif isinstance(below, Mapping) and isinstance(entry, Mapping) and "value" not in entry:
            merged[key] = _overlay(below, entry)
        else:
            merged[key] = entry
    return merged


__all__ = [
    "DEFAULT",
    "Preset",
    "PresetError",
    "digest",
    "geometry_digest",
    "load",
    "names",
]
