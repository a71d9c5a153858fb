"""From finished cells to the stored tables, in an order independent of who finished first."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, astuple
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from results import atomic
from results.cell import Cell
from results.finished import Finished
from results.planned import Planned
from results.schema import COUNTERS, EXITS, RUNS, Table
from results.verdict import judge

#: Cells whose rows are written together: what is in memory at a time, and a row group of a file.
BATCH = 200

Load = Callable[[Cell], Finished | None]


def write_tables(folder: Path, plan: Iterable[Planned], load: Load) -> None:
    """Write the tables of `folder` from the planned cells that have finished, sorted by cell.

    `load` gives a finished cell, None for one that has not. Memory does not grow with the plan.
    """
    ordered = sorted(plan, key=lambda planned: planned.cell)
    _write(folder, COUNTERS, (_counters(f) for p in ordered if (f := load(p.cell))))
    _write(folder, EXITS, (_exits(f) for p in ordered if (f := load(p.cell))))
    _write(folder, RUNS, _run_tables(ordered, load))


def _write(folder: Path, table: Table, parts: Iterator[pa.Table]) -> None:
    def fill(path: Path) -> None:
        with pq.ParquetWriter(path, table.arrow) as writer:
            while batch := list(islice(parts, BATCH)):
                writer.write_table(pa.concat_tables(batch).combine_chunks())

    atomic.write(folder / table.file_name, fill)


def _run_tables(ordered: Iterable[Planned], load: Load) -> Iterator[pa.Table]:
    """Each cell's row. Cells that are compared with the same native one follow each other."""
    baseline: Cell | None = None
    native: Finished | None = None
    for planned in ordered:
        finished = load(planned.cell)
        if finished is None:
            continue
        if planned.cell.baseline != baseline:
            baseline = planned.cell.baseline
            native = load(baseline)
        yield pa.Table.from_pylist([_run_row(planned, finished, native)], schema=RUNS.arrow)


def _counters(finished: Finished) -> pa.Table:
    rows = [
        (scope, counter, value)
        for scope, values in sorted(finished.counters.items())
        for counter, value in sorted(values.items())
    ]
    return _rows_of_cell(COUNTERS, finished.cell, rows)


def _exits(finished: Finished) -> pa.Table:
    hottest_first = sorted(finished.hot_exits, key=lambda e: (-e.count, e.reason, e.rip, e.symbol))
    rows = [(e.reason, e.rip, e.symbol, e.count) for e in hottest_first]
    return _rows_of_cell(EXITS, finished.cell, rows)


def _rows_of_cell(table: Table, cell: Cell, rows: list[tuple[Any, ...]]) -> pa.Table:
    """Rows of the columns after the cell's own, which are the same in every row."""
    identity = [pa.repeat(value, len(rows)) for value in astuple(cell)]
    own = list(table.columns.items())[len(identity) :]
    columns = [pa.array([row[i] for row in rows], type_) for i, (_, type_) in enumerate(own)]
    return pa.table(identity + columns, schema=table.arrow)


def _run_row(planned: Planned, finished: Finished, native: Finished | None) -> dict[str, Any]:
    verdict = judge(finished, native)
    return {
        **asdict(planned.cell),
        "status": verdict.status,
        "reason": verdict.reason,
        "expected": planned.expected,
        "auxiliary": planned.auxiliary,
        "guest_status": finished.guest_status,
        "digest": finished.digest,
        "instructions": finished.instructions,
        "host_seconds": finished.host_seconds,
        "console": finished.console,
        "notes": finished.notes,
        "key": finished.key,
    }
