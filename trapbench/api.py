"""The Python interface: the same matrix, with DataFrames as the result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path

from results import folder
from results.cell import KnobValue
from results.run import Run
from trapbench import harness
from trapbench.cell_cache import CellCache
from trapbench.selection import DEFAULT_GEOMETRY, SIZES, Selection


def run(
    techniques: Sequence[str] = (),
    workloads: Sequence[str | PathLike[str]] = (),
    *,
    size: str = SIZES[0],
    io: str | Sequence[str] = (),
    geometry: str = DEFAULT_GEOMETRY,
    knobs: Mapping[str, KnobValue] | None = None,
    budget: int | None = None,
    jobs: int | None = None,
    out: str | PathLike[str] | None = None,
    resume: bool = False,
    sweeps: Mapping[str, Sequence[KnobValue]] | None = None,
    scheduler: str | None = None,
    cache: bool = False,
) -> Run:
    """Run every technique over every workload (all of them when none is named); return the result.

    `workloads` are names, families or paths; `io` names I/O models (no name: all for the family `io`,
    the emulated one for others); `knobs` maps `knob` or `technique.knob` to a value;
    `budget` bounds the guest instructions of a cell; `jobs` is the number of worker processes (one
    per processor); `out` is the result folder (default `trapbench-runs/<UTC time>`), which may hold
    results only with `resume`. `sweeps` maps knobs, workloads' parameters, `size` or `geometry` to
    the values to run; `scheduler` is a Dask scheduler's address, or `local`; `cache` takes cells that
    were run before from the user's cache. Cells that fail or diverge are rows of `runs`, not exceptions.
    Raises SelectionError for unknown names, ResultsError for a folder that cannot be written.
    """
    selection = Selection(
        techniques=_many(techniques),
        workloads=[str(workload) for workload in _many(workloads)],
        size=size,
        io=_many(io),
        geometry=geometry,
        knobs=knobs or {},
        budget=budget,
        sweeps={name: [str(v) for v in values] for name, values in (sweeps or {}).items()},
    )
    path = Path(out) if out is not None else folder.default_path()
    harness.run_matrix(
        path,
        selection,
        command="trapbench.run",
        jobs=jobs,
        resume=resume,
        scheduler=scheduler,
        cache=CellCache.of_user() if cache else None,
    )
    return Run.load(path)


def _many(value: str | PathLike[str] | Sequence[str | PathLike[str]]) -> list[str]:
    return [str(value)] if isinstance(value, str | PathLike) else [str(item) for item in value]
