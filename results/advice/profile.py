"""A profile: how often what happens, read from a TOML file.

[rates]                 # events per second of one processor; names of results.advice.activities
system-calls = 50_000
page-faults = 2_000

[exits]                 # instead or besides: exits per second by KVM's reason, of a guest under EPT
IO_INSTRUCTION = 1_500
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from results.advice.activities import BY_KVM, BY_NAME
from results.errors import ResultsError

Rates = dict[str, float]


def read(path: Path) -> Rates:
    """Events per second by activity; ResultsError names the file and the key that is wrong."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ResultsError(f"{path} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ResultsError(f"{path} is no TOML: {error}") from error
    if unknown := sorted(table.keys() - {"rates", "exits"}):
        raise ResultsError(f"{path}: a profile has [rates] and [exits], not {unknown[0]!r}")
    rates = _numbers(table, "rates", BY_NAME, path)
    for reason, rate in _numbers(table, "exits", BY_KVM, path).items():
        name = BY_KVM[reason].name
        rates[name] = rates.get(name, 0.0) + rate
    if not any(rates.values()):
        raise ResultsError(f"{path} names no rate above zero: there is nothing to advise on")
    return rates


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
