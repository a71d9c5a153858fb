"""The harness: runs what a result folder is missing, cell by cell, and completes the folder."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from hardware_model.executor import build
from results import manifest
from results.errors import ResultsError
from results.finished import FAILED, Finished
from results.folder import ResultFolder
from results.manifest import Manifest
from results.planned import Planned
from trapbench import planning, provenance
from trapbench.cell_cache import CellCache
from trapbench.cluster import Cluster
from trapbench.selection import Selection
from trapbench.worker_pool import ENTRY, Lost, Worker, WorkerPool

#: Wall-clock seconds after which a cell counts as hung; its budget should end it long before.
TIMEOUT = 900.0

Watcher = Callable[[Sequence[Planned], Iterator[Finished]], Iterator[Finished]]


def run_matrix(
    path: Path,
    selection: Selection | None,
    *,
    command: str = "",
    jobs: int | None = None,
    timeout: float = TIMEOUT,
    resume: bool = False,
    watch: Watcher = lambda _missing, finished: finished,
    entry: str = ENTRY,
    scheduler: str | None = None,
    cache: CellCache | None = None,
    first: Worker | None = None,
) -> Manifest:
    """Run a selection into the folder `path`; return the folder's manifest.

    With `resume`, cells that the folder holds under the same content key are not run again, failed
    ones excepted, and no selection means the folder's own plan. `watch` sees each cell finish.
    `scheduler` sends the cells to a Dask cluster; cells that `cache` knows are taken from it; `first`
    is a worker that loads already.
    Raises ResultsError, SelectionError, UnsupportedEngine, and what finding workloads raises.
    """
    build.check()
    earlier = _earlier(path, resume)
    planned = _plan(selection, earlier)
    with ResultFolder.locked(path) as folder:
        whole = provenance.manifest(planned, command)
        if earlier:
            whole = earlier.extended(whole)
        folder.begin(whole)
        missing = [p for p in whole.plan if not _is_done(folder, p)]
        processes = jobs or len(os.sched_getaffinity(0))
        pool: Cluster | WorkerPool = (
            Cluster(scheduler, processes, timeout, entry)
            if scheduler
            else WorkerPool(entry, processes, timeout, first)
        )
        for _ in watch(missing, _store_all(folder, pool, missing, cache)):
            pass
        folder.complete(whole)
    return whole


def _earlier(path: Path, resume: bool) -> Manifest | None:
    """The manifest of the folder to resume; ResultsError when it may not be written to."""
    if manifest.is_result_folder(path):
        if not resume:
            raise ResultsError(f"{path} holds results; add --resume, or name another folder")
        return manifest.read(path)
    if path.exists() and not path.is_dir():
        raise ResultsError(f"{path} is not a folder")
    if path.is_dir() and any(entry.name != "cells" for entry in path.iterdir()):
        raise ResultsError(f"{path} holds other files than results; name another folder")
    return None


def _plan(selection: Selection | None, earlier: Manifest | None) -> list[Planned]:
    renewed = planning.renew(earlier.plan) if earlier else []
    if selection is None and earlier:
        return renewed
    return [*renewed, *planning.plan(selection or Selection())]


def _is_done(folder: ResultFolder, planned: Planned) -> bool:
    try:
        finished = folder.load(planned.cell)
    except ResultsError:
        return False
    return finished is not None and finished.key == planned.key and finished.status != FAILED


def _store_all(
    folder: ResultFolder,
    pool: WorkerPool | Cluster,
    missing: Sequence[Planned],
    cache: CellCache | None,
) -> Iterator[Finished]:
    unknown = []
    for planned in missing:
        if cache and (known := cache.find(planned)):
            folder.store(known)
            yield known
        else:
            unknown.append(planned)
    for index, result in pool.run(unknown):
        planned = unknown[index]
        if isinstance(result, Lost):
            result = Finished(planned.cell, planned.key, FAILED, result.reason)
        folder.store(result)
        if cache:
            cache.keep(result)
        yield result
    if cache and unknown:
        cache.prune()
