"""Sweeps: `NAME=VALUES`, every combination of which is a point of the matrix.

NAME is a knob, a parameter of a workload, `size` or `geometry`. VALUES are separated by commas;
`A..B+S` and `A..B*F` stand for arithmetic and geometric series, and Ki, Mi and Gi for powers of 1024.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import product

from trapbench.errors import SelectionError

Sweeps = Mapping[str, Sequence[str]]
_SUFFIXES = {"Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30}
_SERIES = re.compile(r"(?P<first>\w+)\.\.(?P<last>\w+)(?P<how>[+*])(?P<step>\w+)")
_LONGEST = 100_000


def parse(texts: Iterable[str]) -> dict[str, list[str]]:
    """Sweeps from `--sweep` texts; SelectionError for one that cannot be understood."""
    sweeps: dict[str, list[str]] = {}
    for text in texts:
        name, equals, values = text.partition("=")
        if not (name and equals and values):
            raise SelectionError(f"--sweep {text!r} is not of the form NAME=VALUE,VALUE")
        if name in sweeps:
            raise SelectionError(f"--sweep {name} is given twice")
        sweeps[name] = [value for part in values.split(",") for value in _values(part)]
    return sweeps


def points(sweeps: Sweeps) -> Iterator[dict[str, str]]:
    """Every combination of the swept values; one without any when nothing is swept."""
    for values in product(*sweeps.values()):
        yield dict(zip(sweeps, values, strict=True))


def integer(text: str) -> int:
    """A number with base prefix or binary suffix; SelectionError when it is none."""
    number, factor = (text[:-2], _SUFFIXES[text[-2:]]) if text[-2:] in _SUFFIXES else (text, 1)
    try:
        return int(number, 0) * factor
    except ValueError:
        raise SelectionError(f"{text!r} is not a number such as 4096, 0x1000 or 4Ki") from None


def _values(part: str) -> Iterator[str]:
    series = _SERIES.fullmatch(part)
    if not series:
        yield part
        return
    value, last, step = (integer(series[name]) for name in ("first", "last", "step"))
    multiplied = series["how"] == "*"
    if step < 1 + multiplied or value < multiplied:
        raise SelectionError(f"the series {part} does not rise")
    for _ in range(_LONGEST):
        if value > last:
            return
        yield str(value)
        value = value * step if multiplied else value + step
    raise SelectionError(f"the series {part} has more than {_LONGEST:,} values")
