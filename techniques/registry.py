"""Techniques by name: every module of this package that declares TECHNIQUE."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from pathlib import Path

from techniques.isolation.attacks import PROTECTION
from techniques.knobs import Knob
from techniques.several.beside import BESIDE
from techniques.technique import Technique

NATIVE = "native"


class UnknownTechnique(ValueError):
    """There is no technique of that name."""


@cache
def _techniques() -> dict[str, type[Technique]]:
    found: dict[str, type[Technique]] = {}
    for module in pkgutil.iter_modules([str(Path(__file__).parent)]):
        loaded = importlib.import_module(f"techniques.{module.name}")
        for technique in getattr(loaded, "TECHNIQUES", [getattr(loaded, "TECHNIQUE", None)]):
            if technique is not None:
                found[technique.name] = technique
    return dict(sorted(found.items(), key=lambda item: (item[0] != "native", item[0])))


def names() -> list[str]:
    """Names of all techniques, native first."""
    return list(_techniques())


def find(name: str) -> type[Technique]:
    """The technique called `name`; UnknownTechnique lists those that exist."""
    try:
        return _techniques()[name]
    except KeyError:
        raise UnknownTechnique(
            f"there is no technique {name!r}; there are: {', '.join(names())}"
        ) from None


def knobs(name: str) -> dict[str, Knob]:
    """The knobs of a technique by name: its own, and for VMMs that of what else runs on the machine."""
    own = find(name).knobs
    shared = () if name == NATIVE else (BESIDE, PROTECTION)
    return {knob.name: knob for knob in (*own, *shared)}
