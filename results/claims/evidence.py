"""What claims are judged by: cells of a run, costed on every generation that can price them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np
import pandas as pd

from hardware_model import presets
from results import cycles
from results.cell import NATIVE, NATIVE_IO
from results.run import Run

Verdict = Literal["holds", "does not hold", "depends", "not tested"]

GENERATIONS = (
    *("prescott", "merom", "penryn", "nehalem"),
    *("westmere", "sandybridge", "skylake-sp"),
)
"""Presets in the order of their years."""

ATTACKS = "isolation/"
"""Workloads of this family ask whether, not how fast."""

FIRST, FIRST_WITH_EPT, LAST = "prescott", "nehalem", "skylake-sp"


@dataclass(frozen=True, slots=True)
class Finding:
    """A verdict with its numbers and the cells behind them; `why` is one sentence."""

    verdict: Verdict
    why: str
    numbers: Mapping[str, float | str] = field(default_factory=dict)
    cells: tuple[str, ...] = ()


class Evidence:
    """A run, and `code_lines`: source lines of each technique with the modules it imports."""

    def __init__(self, run: Run, code_lines: Mapping[str, int]) -> None:
        self.run, self.code_lines = run, code_lines
        self._ratios: dict[str, pd.DataFrame] = {}

    def ratios(self, preset: str) -> pd.DataFrame:
        """Cycles over native: index workload, a column per technique, default knobs, emulated devices."""
        if preset not in self._ratios:
            table = self.run.ratios(preset)
            asked = (table["knobs"] == "{}") & (table["io"] == NATIVE_IO)
            plain = table[asked & ~table["workload"].str.startswith(ATTACKS)]
            wide = plain.pivot_table(index="workload", columns="technique", values="ratio")
            self._ratios[preset] = wide
        return self._ratios[preset]

    def mean(self, technique: str, preset: str, workloads: pd.Index | None = None) -> float:
        """The geometric mean of cycles over native; NaN without cells."""
        table = self.ratios(preset)
        if technique not in table.columns:
            return float("nan")
        found = table[technique] if workloads is None else table.loc[workloads, technique]
        found = found.dropna()
        return float(np.exp(np.log(found).mean())) if len(found) else float("nan")

    def common(self, preset: str, *techniques: str) -> pd.Index:
        """The workloads that all of these techniques ran as native did."""
        table = self.ratios(preset)
        if missing := [t for t in techniques if t not in table.columns]:
            return table.index[[False] * len(table)] if missing else table.index
        return table[list(techniques)].dropna().index

    def status(self, technique: str, workloads: str) -> pd.DataFrame:
        """The rows of `runs` of a technique and a family or workload."""
        runs = self.run.runs
        named = (runs["workload"] == workloads) | runs["workload"].str.startswith(f"{workloads}/")
        return runs[named & (runs["technique"] == technique) & (runs["knobs"] == "{}")]

    def counter(self, technique: str, name: str, workloads: pd.Index) -> int:
        """A counter's sum over a technique's equivalent cells of these workloads."""
        return int(self.counted(technique, workloads).get(name, 0))

    def counted(self, technique: str, workloads: pd.Index) -> dict[str, int]:
        """The counters that are not 0 over a technique's equivalent cells of these workloads."""
        rows = self._counters
        chosen = rows[(rows["technique"] == technique) & rows["workload"].isin(workloads)]
        totals = chosen.groupby("counter")["value"].sum()
        return {str(name): int(value) for name, value in totals.items() if value}

    @cached_property
    def _counters(self) -> pd.DataFrame:
        rows = self.run.valid_counters()
        asked = (rows["scope"] == "roi") & (rows["knobs"] == "{}") & (rows["io"] == NATIVE_IO)
        return rows[asked]

    def component(self, preset: str, component: str) -> pd.DataFrame:
        """Cycles of one component over native's total: index workload, a column per technique."""
        stack = cycles.cycles(self.run.costed_on(preset).valid_counters(), presets.load(preset))
        stack = stack[(stack["knobs"] == "{}") & (stack["io"] == NATIVE_IO)]
        native = stack[stack["technique"] == NATIVE].groupby("workload")["cycles"].sum()
        part = stack[stack["component"] == component]
        wide = part.pivot_table(index="workload", columns="technique", values="cycles")
        return wide.div(native, axis=0)

    def techniques(self) -> set[str]:
        """The techniques that have an equivalent cell."""
        return set(self.run.valid()["technique"])

    def io_models(self) -> set[str]:
        """The I/O models that were run."""
        return set(self.run.runs["io"])


def untested(why: str) -> Finding:
    """The finding of a claim whose experiment was not run."""
    return Finding("not tested", why)
