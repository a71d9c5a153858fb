"""What a profile costs each technique: rates times what one event costs beyond native.

An event's extra cost is observed: (cycles of the technique's cell - cycles of native's) / events, on the
workload that does little else. Overheads add up, so they are linear in every rate, and the rate at which
another technique would be the better one has a closed form.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from hardware_model.presets import Preset
from results import costs, cycles, uncertainty
from results.advice.activities import BY_NAME, Activity
from results.cell import NATIVE, NO_CHOICE
from results.costs import Matrix
from results.errors import ResultsError
from results.run import Run

_LEVEL = 0.9


@dataclass(frozen=True, slots=True)
class Verdict:
    """One technique on one preset: `share` of a processor that virtualization takes (with `low` and `high`,
    which hold it for 90 % of sampled costs), `probability` of being the best, `parts` by activity.
    `missing` says why there is no figure.
    """

    technique: str
    share: float = float("nan")
    low: float = float("nan")
    high: float = float("nan")
    probability: float = 0.0
    parts: Mapping[str, float] | None = None
    missing: str = ""


class Observed:
    """Extra amounts of each cost per event, by activity and technique, from a run's cells on one preset."""

    def __init__(self, run: Run, rates: Mapping[str, float], preset: Preset) -> None:
        self._run = run.costed_on(preset)
        self._preset = preset
        self._amounts = cycles.amounts(self._run.valid_counters())
        self.activities = [BY_NAME[name] for name, rate in rates.items() if rate]
        self.rates = np.array([rates[a.name] for a in self.activities])
        found = self._run.runs["technique"].unique()
        self.techniques = [str(name) for name in found if name not in NO_CHOICE]

    def _refuse_without_native(self) -> None:
        """ResultsError that names every workload to run before the profile can be answered."""
        missing = [a for a in self.activities if self._cell(a.workload, NATIVE) is None]
        if missing:
            workloads = list(dict.fromkeys(activity.workload for activity in missing))
            command = " ".join(f"--workload {name}" for name in workloads)
            raise ResultsError(
                f"{self._run.path} holds no native cell of {', '.join(workloads)}, which shows what "
                f"{', '.join(a.name for a in missing)} cost: run `trapbench run {command}` or the whole matrix"
            )

    def extra(self, technique: str) -> Matrix | str:
        """Amounts beyond native per event, with the axes (activities, costs); or why there are none.

        Raises ResultsError when native cells are missing, from which events are counted.
        """
        self._refuse_without_native()
        rows = []
        for activity in self.activities:
            row = self._per_event(activity, technique)
            if isinstance(row, str):
                return row
            rows.append(row)
        return np.stack(rows)

    def _per_event(self, activity: Activity, technique: str) -> Matrix | str:
        cell = self._cell(activity.workload, technique)
        native = self._cell(activity.workload, NATIVE)
        if cell is None or native is None:
            return self._why(activity.workload, technique)
        events = self._events(activity)
        if not events:
            return f"{activity.workload} counted no {activity.name} natively"
        values = self._amounts.values
        return np.asarray((values[cell] - values[native]) / events)

    def _cell(self, workload: str, technique: str) -> int | None:
        cells = self._amounts.cells
        of_cell = (cells["workload"] == workload) & (cells["technique"] == technique)
        found = cells.index[of_cell & (cells["knobs"] == "{}")]
        return int(found[0]) if len(found) else None

    def _events(self, activity: Activity) -> float:
        table = self._run.counters
        chosen = table[
            (table["workload"] == activity.workload)
            & (table["technique"] == NATIVE)
            & (table["scope"] == cycles.ROI)
            & table["counter"].isin(activity.counters)
        ]
        first = chosen.groupby("counter")["value"].first()
        return float(first.sum())

    def _why(self, workload: str, technique: str) -> str:
        runs = self._run.runs
        of_cell = runs[(runs["workload"] == workload) & (runs["technique"] == technique)]
        for row in of_cell.to_dict("records"):
            return f"{workload} is {row['status']}: {row['reason']}"
        return f"the run has no cell of {workload}"


def verdicts(observed: Observed, preset: Preset) -> list[Verdict]:
    """Every technique, the best first, those without a figure last."""
    extras = {name: observed.extra(name) for name in observed.techniques}
    known = {name: extra for name, extra in extras.items() if not isinstance(extra, str)}
    drawn = uncertainty.sample(preset)
    amounts = np.stack([observed.rates @ extra for extra in known.values()]) if known else None
    found = []
    if amounts is not None:
        shares = costs.totals(amounts, drawn) / preset.frequency.value
        best = np.bincount(shares.argmin(axis=1), minlength=len(known)) / len(drawn)
        value = costs.totals(amounts, costs.vector(preset)) / preset.frequency.value
        bounds = uncertainty.around(value, shares, _LEVEL)
        for place, (technique, extra) in enumerate(known.items()):
            parts = observed.rates * (extra @ costs.vector(preset)) / preset.frequency.value
            named = dict(zip((a.name for a in observed.activities), map(float, parts), strict=True))
            low, high = (float(bounds[name][place]) for name in ("low", "high"))
            found.append(
                Verdict(technique, float(parts.sum()), low, high, float(best[place]), named)
            )
    found.sort(key=lambda verdict: verdict.share)
    return found + [Verdict(n, missing=e) for n, e in extras.items() if isinstance(e, str)]


@dataclass(frozen=True, slots=True)
class Turn:
    """At `rate` events of `activity` per second, all other rates as they are, `technique` would draw level."""

    activity: str
    rate: float
    technique: str


def turns(observed: Observed, preset: Preset, ranked: list[Verdict]) -> list[Turn]:
    """For each activity the rate nearest to the profile's at which another technique is as good as the best."""
    best, *others = [v for v in ranked if v.parts is not None]
    assert best.parts is not None
    result = []
    for activity, rate in zip(observed.activities, observed.rates, strict=True):
        found = []
        for other in others:
            assert other.parts is not None
            slope = (best.parts[activity.name] - other.parts[activity.name]) / rate
            level = rate + (other.share - best.share) / slope if slope else -1.0
            if level > 0:
                found.append(Turn(activity.name, float(level), other.technique))
        if found:
            result.append(min(found, key=lambda t: abs(np.log(t.rate / rate))))
    return sorted(result, key=lambda t: abs(np.log(t.rate / observed.rates[_place(observed, t)])))


def _place(observed: Observed, turn: Turn) -> int:
    return next(i for i, a in enumerate(observed.activities) if a.name == turn.activity)
