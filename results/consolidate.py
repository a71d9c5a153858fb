"""From finished cells to the stored tables, in an order independent of who finished first."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from results import atomic
from results.cell import Cell, identity
from results.finished import Finished, HotExit
from results.planned import Planned
from results.schema import COUNTERS, EXITS, RUNS, Table
from results.verdict import judge

#: Cells whose rows are written together: what is in memory at a time, and a row group of a file.
BATCH = 200

Load = Callable[[Cell], Finished | None]
#: A planned cell, what it came to, and the native one that it is compared with.
Judged = tuple[Planned, Finished, Finished | None]


def write_tables(folder: Path, plan: Iterable[Planned], load: Load) -> None:
    """Write the tables of `folder` from the planned cells that have finished, sorted by cell.

    `load` gives a finished cell, None for one that has not. Memory does not grow with the plan.
    """
    judged = _judged(sorted(plan, key=lambda planned: planned.cell), load)
    with ExitStack() as stack:
        files = [(table, rows, _writer(stack, folder, table)) for table, rows in _ROWS_OF_BATCH]
        while batch := list(islice(judged, BATCH)):
            for table, rows, writer in files:
                writer.write_table(rows(table, batch))


def _writer(stack: ExitStack, folder: Path, table: Table) -> pq.ParquetWriter:
    path = stack.enter_context(atomic.writing(folder / table.file_name))
    return stack.enter_context(pq.ParquetWriter(path, table.arrow))


def _judged(ordered: Iterable[Planned], load: Load) -> Iterator[Judged]:
    """The cells that have finished. Those that are compared with the same native one follow each other."""
    baseline: Cell | None = None
    native: Finished | None = None
    for planned in ordered:
        finished = load(planned.cell)
        if finished is None:
            continue
        if planned.cell.baseline != baseline:
            baseline = planned.cell.baseline
            native = load(baseline)
        yield planned, finished, native


def _counters(table: Table, batch: Iterable[Judged]) -> pa.Table:
    return _table(
        table,
        (
            (*identity(finished.cell), scope, counter, value)
            for _, finished, _ in batch
            for scope, values in sorted(finished.counters.items())
            for counter, value in sorted(values.items())
        ),
    )


def _exits(table: Table, batch: Iterable[Judged]) -> pa.Table:
    return _table(
        table,
        (
            (*identity(finished.cell), e.reason, e.rip, e.symbol, e.count)
            for _, finished, _ in batch
            for e in sorted(finished.hot_exits, key=_hottest_first)
        ),
    )


def _hottest_first(hot: HotExit) -> tuple[int, str, int, str]:
    return -hot.count, hot.reason, hot.rip, hot.symbol


def _table(table: Table, rows: Iterable[tuple[Any, ...]]) -> pa.Table:
    columns = list(zip(*rows, strict=True)) or [()] * len(table.columns)
    return pa.table(
        [pa.array(held, kind) for held, kind in zip(columns, table.columns.values(), strict=True)],
        schema=table.arrow,
    )


def _runs(table: Table, batch: Iterable[Judged]) -> pa.Table:
    return pa.Table.from_pylist([_run_row(*judged) for judged in batch], schema=table.arrow)


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


_ROWS_OF_BATCH: tuple[tuple[Table, Callable[[Table, Sequence[Judged]], pa.Table]], ...] = (
    (COUNTERS, _counters),
    (EXITS, _exits),
    (RUNS, _runs),
)
