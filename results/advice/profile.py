"""A profile: how often what happens, read from a TOML file.

[rates]                 # events per second of one processor; names of results.advice.activities
system-calls = 50_000
page-faults = 2_000

[exits]                 # instead or besides: exits per second by KVM's reason, of a guest under EPT
IO_INSTRUCTION = 1_500

[memory]                # optional
footprint = "64Mi"      # bytes that are in use together
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from results.advice.activities import BY_KVM, BY_NAME
from results.errors import ResultsError

Rates = dict[str, float]
_SIZE = re.compile(r"([0-9]{1,15})(Ki|Mi|Gi|)")
_FACTORS = {"": 1, "Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30}


def read(path: Path) -> Rates:
    """Events per second by activity; ResultsError names the file and the key that is wrong."""
    table = _table(path)
    rates = _numbers(table, "rates", BY_NAME, path)
    for reason, rate in _numbers(table, "exits", BY_KVM, path).items():
        name = BY_KVM[reason].name
        rates[name] = rates.get(name, 0.0) + rate
    if not any(rates.values()):
        raise ResultsError(f"{path} names no rate above zero: there is nothing to advise on")
    return rates


def footprint(path: Path) -> int | None:
    """The memory footprint of the profile in bytes, if it has one; ResultsError if that is no size."""
    memory = _table(path).get("memory", {})
    if not isinstance(memory, dict) or memory.keys() - {"footprint"}:
        raise ResultsError(f"{path}: [memory] has nothing but a footprint")
    if "footprint" not in memory:
        return None
    value = memory["footprint"]
    found = _SIZE.fullmatch(value if isinstance(value, str) else repr(value))
    if not found or not int(found[1]):
        raise ResultsError(f"{path}: memory.footprint is {value!r}, not a size such as '64Mi'")
    return int(found[1]) * _FACTORS[found[2]]


def _table(path: Path) -> dict[str, Any]:
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ResultsError(f"{path} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ResultsError(f"{path} is no TOML: {error}") from error
    if unknown := sorted(table.keys() - {"rates", "exits", "memory"}):
        raise ResultsError(
            f"{path}: a profile has [rates], [exits] and [memory], not {unknown[0]!r}"
        )
    return table


def _numbers(table: Mapping[str, Any], key: str, known: Iterable[str], path: Path) -> Rates:
    entries, names = table.get(key, {}), list(known)
    if not isinstance(entries, dict):
        raise ResultsError(f"{path}: {key} is not a table of rates")
    for name, value in entries.items():
        if name not in names:
            close = get_close_matches(name, names, 1)
            hint = f"did you mean {close[0]}?" if close else f"known are {', '.join(names)}"
            raise ResultsError(f"{path}: {key}.{name} is unknown; {hint}")
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e15:
            raise ResultsError(
                f"{path}: {key}.{name} is {value!r}, not a number of events per second"
            )
    return {name: float(value) for name, value in entries.items()}
