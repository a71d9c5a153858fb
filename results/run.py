"""A run as an object: tidy DataFrames, and the estimates made of them."""

from __future__ import annotations

import json
from collections.abc import Collection
from copy import copy
from os import PathLike
from pathlib import Path
from typing import Self

import pandas as pd

from hardware_model import presets
from hardware_model.presets import DEFAULT, Preset
from results import cycles, reader, uncertainty
from results.applicability import inapplicable
from results.cell import BESIDE, IDENTITY, NATIVE, UNTIMED
from results.cycles import Amounts
from results.errors import ResultsError
from results.finished import OK, SKIPPED
from results.manifest import Manifest
from results.verdict import contradicts


class Runs:
    """The verdicts of a finished run: `runs` has one row per cell, `manifest` is its provenance."""

    def __init__(self, path: Path, manifest: Manifest, runs: pd.DataFrame) -> None:
        self.path = path
        self.manifest = manifest
        self.runs = runs

    @classmethod
    def load(cls, folder: str | PathLike[str]) -> Self:
        """Read a result folder; ResultsError when it cannot be."""
        path = Path(folder)
        return cls(path, *reader.read_runs(path))

    def unexpected(self) -> pd.DataFrame:
        """The rows of `runs` whose status is not what the workload declares for the technique."""
        pairs = zip(self.runs["status"], self.runs["expected"], strict=True)
        return self.runs[[contradicts(status, expected) for status, expected in pairs]]


class Run(Runs):
    """A finished run with its counters.

    `counters` has one row per cell, scope and counter, `runs` one per cell, `exits` is the hot
    list. All carry the columns of `results.cell.Cell`.
    """

    def __init__(self, path: Path, stored: reader.Stored) -> None:
        super().__init__(path, stored.manifest, stored.runs)
        self.counters: pd.DataFrame = stored.counters
        self.exits: pd.DataFrame = stored.exits

    @classmethod
    def load(cls, folder: str | PathLike[str]) -> Self:
        """Read a result folder; ResultsError when it cannot be."""
        path = Path(folder)
        return cls(path, reader.read(path))

    def valid(self) -> pd.DataFrame:
        """The rows of `runs` that may enter a comparison of speed: equivalent to native, and alone on their machine."""
        equivalent = self.equivalent()
        return equivalent[alone(equivalent)]

    def equivalent(self) -> pd.DataFrame:
        """The rows of `runs` whose guest ended as natively, without attacks, of which speed is not asked."""
        timed = ~self.runs["workload"].str.startswith(f"{UNTIMED}/")
        return self.runs[(self.runs["status"] == OK) & timed]

    def cycles(self, preset: str | PathLike[str] = DEFAULT) -> pd.DataFrame:
        """Estimated cycles of the equivalent cells: one row per cell and component, with `cycles`.

        `preset` is a name or a path; PresetError when it cannot be used.
        """
        loaded = _preset(preset)
        priced = self.costed_on(loaded)
        counters = priced.counters.merge(priced.equivalent()[list(IDENTITY)], on=list(IDENTITY))
        return cycles.cycles(counters, loaded)

    def ratios(self, preset: str | PathLike[str] = DEFAULT) -> pd.DataFrame:
        """Cycles over native: one row per equivalent cell, with `cycles`, `native` and `ratio`."""
        loaded = _preset(preset)
        return cycles.ratios(self.costed_on(loaded).valid_counters(), loaded)

    def intervals(
        self,
        preset: str | PathLike[str] = DEFAULT,
        level: float = 0.9,
        samples: int = uncertainty.SAMPLES,
    ) -> pd.DataFrame:
        """`ratio` with `low` and `high`, which hold it for a share `level` of sampled costs."""
        loaded = _preset(preset)
        return uncertainty.intervals(self._amounts(loaded), loaded, level=level, samples=samples)

    def winners(
        self, preset: str | PathLike[str] = DEFAULT, samples: int = uncertainty.SAMPLES
    ) -> pd.DataFrame:
        """The `probability` that a cell has the fewest cycles of its workload, native aside."""
        loaded = _preset(preset)
        return uncertainty.winners(self._amounts(loaded), loaded, samples=samples)

    def _amounts(self, preset: Preset) -> Amounts:
        return cycles.amounts(self.costed_on(preset).valid_counters())

    def costed_on(self, preset: Preset | str | PathLike[str]) -> Run:
        """The run, in which cells that the preset cannot price are skipped, with the reason."""
        loaded = preset if isinstance(preset, Preset) else _preset(preset)
        reasons = inapplicable(self.counters, loaded)
        if not reasons:
            return self
        chosen = copy(self)
        found = [reasons.get(tuple(cell)) for cell in self.runs[list(IDENTITY)].to_numpy()]
        skipped = pd.Series([bool(r) for r in found], self.runs.index) & (self.runs["status"] == OK)
        chosen.runs = self.runs.assign(
            status=self.runs["status"].mask(skipped, SKIPPED),
            reason=self.runs["reason"].mask(skipped, pd.Series(found, self.runs.index)),
        )
        return chosen

    def valid_counters(self) -> pd.DataFrame:
        """The rows of `counters` of cells that may enter a comparison."""
        return self.counters.merge(self.valid()[list(IDENTITY)], on=list(IDENTITY))

    def selected(self, workloads: Collection[str], techniques: Collection[str]) -> Run:
        """The run with only these workloads (names or families) and techniques; empty means all.

        Raises ResultsError for one of which the folder has no cell.
        """
        self._must_have("workload", workloads)
        self._must_have("technique", techniques)
        chosen = copy(self)
        for name in ("counters", "runs", "exits"):
            frame = getattr(self, name)
            families = frame["workload"].str.split("/").str[0]
            by_workload = frame["workload"].isin(workloads) | families.isin(workloads)
            by_technique = frame["technique"].isin([*techniques, NATIVE])
            keep = (by_workload | (not workloads)) & (by_technique | (not techniques))
            setattr(chosen, name, frame[keep])
        if chosen.runs.empty and not self.runs.empty:
            asked = " ".join([*workloads, *techniques])
            raise ResultsError(f"{self.path} holds no cell of {asked}")
        return chosen

    def _must_have(self, column: str, asked: Collection[str]) -> None:
        there = sorted(self.runs[column].unique())
        families = {name.partition("/")[0] for name in there} if column == "workload" else set()
        for name in asked:
            if name not in there and name not in families and there:
                listed = ", ".join(there[:8]) + (", ..." if len(there) > 8 else "")
                raise ResultsError(f"{self.path} holds no cell of {name}; it holds {listed}")


def alone(cells: pd.DataFrame) -> pd.Series:
    """Of each cell, whether it had its machine to itself."""
    return pd.Series([BESIDE not in json.loads(k) for k in cells["knobs"]], cells.index, dtype=bool)


def _preset(name_or_path: str | PathLike[str]) -> Preset:
    return presets.load(name_or_path if isinstance(name_or_path, str) else Path(name_or_path))
