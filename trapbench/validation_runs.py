"""The runs that `trapbench validate` compares: every experiment with its geometry and knobs."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import techniques
import workloads
from results import published
from results.cell import NATIVE
from results.run import Run
from results.validation.experiments import EXPERIMENTS, KNOBS, Experiment
from results.validation.measured import DEFAULT_KNOBS
from trapbench import harness, progress
from trapbench.selection import Selection

_GAIN_OVER = "hvm-shadow"
_Group = tuple[str, str, str, str]


@dataclass(slots=True)
class _Cells:
    techniques: set[str] = field(default_factory=set)
    workloads: set[str] = field(default_factory=set)


def run(folder: Path, jobs: int | None = None) -> list[Run]:
    """Run what the experiments need into subfolders of `folder`; what is there already is kept."""
    runs = []
    for name, selection in selections():
        path = folder / name
        harness.run_matrix(
            path,
            selection,
            command="trapbench validate --run",
            jobs=jobs,
            resume=path.exists(),
            watch=progress.watch,
        )
        runs.append(Run.load(path))
    return runs


def selections() -> Iterator[tuple[str, Selection]]:
    """Subfolder and selection of each run: cells of one geometry, family and set of knobs together.

    At size standard, a technique's warm-up (translation, first fills) hardly counts, as in the
    papers' benchmarks.
    """
    for (geometry, family, technique, knobs), cells in sorted(_groups().items()):
        settings = json.loads(knobs)
        label = "-".join(str(value) for value in settings.values())
        name = "-".join(filter(None, (geometry, family, technique, label)))
        yield (
            name,
            Selection(
                techniques=sorted(cells.techniques | {NATIVE}),
                workloads=sorted(cells.workloads),
                size="standard",
                geometry=geometry,
                knobs={f"{technique}.{key}": value for key, value in settings.items()},
            ),
        )


def _groups() -> dict[_Group, _Cells]:
    groups: dict[_Group, _Cells] = defaultdict(_Cells)
    rows = published.validation()
    for row in rows[["source_id", "benchmark", "technique"]].to_dict("records"):
        source, benchmark, technique = (str(value) for value in row.values())
        experiment = EXPERIMENTS.get(source, {}).get(benchmark)
        if experiment is None:
            continue
        wanted = KNOBS.get((source, technique), DEFAULT_KNOBS)
        for knobs in {DEFAULT_KNOBS, wanted}:
            if knobs == DEFAULT_KNOBS or _takes(technique, json.loads(knobs)):
                _add(groups, experiment, technique, knobs)
    return groups


def _add(groups: dict[_Group, _Cells], experiment: Experiment, technique: str, knobs: str) -> None:
    named = technique if knobs != DEFAULT_KNOBS else ""
    on_linux = [experiment.on_linux] if _runnable(experiment.on_linux) else []
    for workload in filter(None, (*experiment.workloads, experiment.less, *on_linux)):
        cells = groups[experiment.preset, workload.split("/")[0], named, knobs]
        cells.workloads.add(workload)
        cells.techniques |= {technique}
        if experiment.quantity == "gain":
            cells.techniques |= {_GAIN_OVER}


def _runnable(workload: str) -> bool:
    """Whether the machine has what a workload on Linux needs: a kernel that was fetched."""
    found = workloads.find(workload) if workload else None
    return found is not None and not getattr(found, "missing", "")


def _takes(technique: str, settings: dict[str, str]) -> bool:
    """Whether the technique has these knobs, and they take these values."""
    known = techniques.knobs(technique)
    return all(name in known and value in known[name].choices for name, value in settings.items())
