"""From finished cells to the stored tables, in an order independent of who finished first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, astuple
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


def write_tables(folder: Path, plan: Iterable[Planned], finished: Mapping[Cell, Finished]) -> None:
    """Write the tables of `folder` from the planned cells that have finished, sorted by cell."""
    ordered = sorted((p for p in plan if p.cell in finished), key=lambda planned: planned.cell)
    cells = [finished[planned.cell] for planned in ordered]
    _write(folder, COUNTERS, [_counters(cell) for cell in cells])
    _write(folder, EXITS, [_exits(cell) for cell in cells])
    runs = [_run_row(planned, finished) for planned in ordered]
    _write(folder, RUNS, [pa.Table.from_pylist(runs, schema=RUNS.arrow)])


def _write(folder: Path, table: Table, parts: list[pa.Table]) -> None:
    whole = pa.concat_tables([table.arrow.empty_table(), *parts]).combine_chunks()
    atomic.write(folder / table.file_name, lambda path: pq.write_table(whole, path))


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


def _run_row(planned: Planned, all_finished: Mapping[Cell, Finished]) -> dict[str, Any]:
    finished = all_finished[planned.cell]
    verdict = judge(finished, all_finished)
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
