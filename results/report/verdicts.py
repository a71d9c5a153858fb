"""For each workload, in words: which technique is fastest, how sure that is, and what the others pay for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from results import tables
from results.cell import BESIDE, NO_CHOICE, UNTIMED
from results.finished import OK, SKIPPED
from results.plots.style import ratio
from results.run import Run

#: Ratios closer than this are called equal.
_TIE = 0.02
_UNTIMED = (
    "An attack: whether it succeeds is in the picture of isolation, speed is not the question."
)
_SHARED = (
    "A guest that shares its machine: whether it ends as it does alone is the question, not speed."
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is said of a workload: the `fastest` techniques, several when they are alike, and sentences."""

    workload: str
    fastest: tuple[str, ...]
    sentences: tuple[str, ...]


def verdicts(run: Run, preset: str) -> list[Verdict]:
    """A verdict for every row of the run's tables, in their order."""
    intervals = tables.labelled(run.intervals(preset))
    intervals = intervals[~intervals["technique"].isin(NO_CHOICE)]
    chances = tables.labelled(run.winners(preset)).set_index(["row", "variant"])["probability"]
    stacks = tables.cycle_stack(run, preset)
    troubles = tables.labelled(run.runs[~run.runs["status"].isin([OK, SKIPPED])])
    return [
        _verdict(str(row), intervals[intervals["row"] == row], chances, stacks, troubles)
        for row in tables.statuses(run).index
    ]


def _verdict(
    row: str,
    cells: pd.DataFrame,
    chances: pd.Series,
    stacks: pd.DataFrame,
    troubles: pd.DataFrame,
) -> Verdict:
    wrong = tuple(_trouble(cell) for cell in troubles[troubles["row"] == row].to_dict("records"))
    ordered = cells.sort_values("ratio").to_dict("records")
    if not ordered:
        return Verdict(row, (), (_why_not(row), *wrong))
    first = str(ordered[0]["variant"])
    chance = float(chances.get((row, first), float("nan")))
    said = [_first(ordered, chance)]
    if others := [f"{c['variant']} {_times(c)}" for c in ordered[1:] if not _tied(c, ordered[0])]:
        said.append(f"Then {_and(others)}.")
    last = ordered[-1]
    if (row, last["variant"]) in stacks.index and not _tied(last, ordered[0]):
        said.append(_spent(str(last["variant"]), stacks.loc[(row, last["variant"])]))
    alike = tuple(str(c["variant"]) for c in ordered if _tied(c, ordered[0]))
    return Verdict(row, alike, (*said, *wrong))


def _why_not(row: str) -> str:
    """Why nobody is fastest."""
    if row.startswith(f"{UNTIMED}/"):
        return _UNTIMED
    return _SHARED if f" {BESIDE} " in row else "No technique ran it as native did."


def alone(found: Sequence[Verdict]) -> dict[str, int]:
    """On how many workloads each technique alone is fastest, the most frequent first."""
    counts = Counter(verdict.fastest[0] for verdict in found if len(verdict.fastest) == 1)
    return dict(counts.most_common())


def _first(ordered: Sequence[Mapping[Any, Any]], chance: float) -> str:
    best = ordered[0]
    tied = [str(c["variant"]) for c in ordered if _tied(c, best)]
    if len(tied) > 1:
        return f"{_and(tied)} are within {_TIE:.0%} of each other, at {_times(best)}."
    sure = f"fastest in {chance:.0%} of the samples drawn from the costs' ranges"
    return f"{best['variant']} is fastest, at {_times(best)}; {sure}."


def _times(cell: Mapping[Any, Any]) -> str:
    return f"{ratio(cell['ratio'])} × native ({ratio(cell['low'])} to {ratio(cell['high'])})"


def _tied(cell: Mapping[Any, Any], best: Mapping[Any, Any]) -> bool:
    return bool(cell["ratio"] <= best["ratio"] * (1 + _TIE))


def _spent(variant: str, stack: pd.Series) -> str:
    shares = (stack / stack.sum()).sort_values(ascending=False)
    most = [f"{share:.0%} {name}" for name, share in shares.items() if share >= 0.1][:3]
    return f"The slowest, {variant}, spends {_and(most)}."


def _trouble(cell: Mapping[Any, Any]) -> str:
    why = f": {cell['reason']}" if cell["reason"] else ""
    return f"{cell['variant']} {cell['status']}{why}."


def _and(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
