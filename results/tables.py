"""Tables of a run: DataFrame in, DataFrame out, a column per technique where that is possible."""

from __future__ import annotations

import json

import pandas as pd

from results.cell import BESIDE, CIRCUMSTANCES, IDENTITY, NATIVE, NATIVE_IO
from results.finished import DIVERGED, OK
from results.run import Run

#: Workloads that run under every I/O model.
IO_FAMILY = "io/"

#: Counters whose sum is the number of times that a VMM was entered.
ENTRIES_INTO_VMM = ("exits", "traps", "bt.callout")
#: Prefixes of counters that name a reason for an entry, and what such an entry is called.
KINDS_OF_ENTRY = {
    "exit.": "exit",
    "trap.": "trap",
    "bt.callout.": "callout",
    "hypercall.": "hypercall",
}
#: Sums of others, and what was done rather than why.
_NOT_REASONS = (
    *("trap.reflected", "trap.emulated"),
    *("hypercall.entries", "hypercall.multicall", "hypercall.unimplemented"),
)


def is_reason(counter: str) -> bool:
    """Whether the counter counts one reason for entries into the VMM.

    The SYSCALLs of a ported guest are listed by hypercall; trap.syscall holds them all.
    """
    return counter.startswith(tuple(KINDS_OF_ENTRY)) and counter not in _NOT_REASONS


def counters(run: Run, scope: str = "roi") -> pd.DataFrame:
    """Counters that some cell has: index (row, counter), one column per variant."""
    frame = labelled(run.counters[run.counters["scope"] == scope], run.runs)
    wide = frame.pivot(index=["row", "counter"], columns="variant", values="value")
    return _native_first(_zero_where_it_ran(wide, run))


def hot_exits(run: Run, limit: int = 10) -> pd.DataFrame:
    """The instructions of each cell that exited most: row, variant, reason, rip, symbol, count."""
    frame = labelled(run.exits, run.runs).sort_values(
        ["row", "variant", "count"], ascending=[True, True, False]
    )
    columns = ["row", "variant", "reason", "rip", "symbol", "count"]
    return frame.groupby(["row", "variant"]).head(limit)[columns].reset_index(drop=True)


def entries_into_vmm(run: Run, scope: str = "roi") -> pd.DataFrame:
    """VM exits, traps and callouts together: index row, one column per variant."""
    of_scope = run.counters["scope"] == scope
    chosen = run.counters[of_scope & run.counters["counter"].isin(ENTRIES_INTO_VMM)]
    sums = labelled(chosen, run.runs).groupby(["row", "variant"])["value"].sum()
    wide = sums.unstack("variant").reindex_like(statuses(run))
    return _native_first(_zero_where_it_ran(wide, run))


def statuses(run: Run) -> pd.DataFrame:
    """The status of each cell: index row, one column per variant."""
    return _native_first(labelled(run.runs).pivot(index="row", columns="variant", values="status"))


def cycle_stack(run: Run, preset: str) -> pd.DataFrame:
    """Estimated cycles of equivalent cells: index (row, variant), one column per component."""
    cycles = labelled(run.cycles(preset), run.runs)
    wide = cycles.pivot_table(index=["row", "variant"], columns="component", values="cycles")
    return wide.fillna(0.0)


def intervals(run: Run, preset: str) -> pd.DataFrame:
    """What the ranges of costs leave of each ratio to native: one row per cell but native's.

    Columns: row, variant, `ratio`, `low`, `high` (90 % of the samples lie between), and
    `probability` that the cell has the fewest cycles of its workload, native aside.
    """
    found = run.intervals(preset).merge(run.winners(preset), on=list(IDENTITY))
    columns = ["row", "variant", "ratio", "low", "high", "probability"]
    return labelled(found, run.runs)[columns].sort_values(["row", "variant"], ignore_index=True)


def native_cycles(run: Run, preset: str) -> dict[str, float]:
    """Estimated cycles of the native cell of each row."""
    cycles = labelled(run.cycles(preset), run.runs)
    native = cycles[cycles["technique"] == NATIVE]
    return {str(row): float(value) for row, value in native.groupby("row")["cycles"].sum().items()}


def ratios(run: Run, preset: str) -> pd.DataFrame:
    """Estimated cycles relative to native: index row, a column per variant; NaN if not ok."""
    return _native_first(
        labelled(run.ratios(preset), run.runs).pivot(index="row", columns="variant", values="ratio")
    )


def labelled(frame: pd.DataFrame, among: pd.DataFrame | None = None) -> pd.DataFrame:
    """The frame with `row`, from its workload and circumstances, and `variant`, from its technique and other knobs.

    A row names what differs `among` all cells that rows are told apart from, by default those of the frame. The I/O
    model is part of a row where it makes a difference.
    """
    cells = frame if among is None else among
    rows = frame["workload"].astype(str)
    for column in ("size", "io", "geometry"):
        if cells[column].nunique() > 1:
            told = rows + " " + frame[column]
            rows = told.where(_io_matters(frame), rows) if column == "io" else told
    around, knobs = frame["knobs"].map(circumstances), frame["knobs"].map(_knobs)
    return frame.assign(row=rows + around, variant=frame["technique"] + knobs)


def circumstances(knobs: str) -> str:
    """What a cell's knobs say of its circumstances, after a space: the VMs beside it, a protection that is off."""
    values = json.loads(knobs)
    told = (_circumstance(name, values[name]) for name in CIRCUMSTANCES if name in values)
    return "".join(f" {text}" for text in told)


def _circumstance(name: str, value: object) -> str:
    if name == BESIDE:
        return f"{name} {value}"
    return f"{name}={'on' if value else 'off'}"


def _io_matters(frame: pd.DataFrame) -> pd.Series:
    return frame["workload"].str.startswith(IO_FAMILY) | (frame["io"] != NATIVE_IO)


def _zero_where_it_ran(wide: pd.DataFrame, run: Run) -> pd.DataFrame:
    """Zero counters are not stored: fill them in for cells that ran, by row and variant."""
    ran = statuses(run).isin([OK, DIVERGED])
    rows = wide.index.get_level_values("row")
    mask = ran.reindex(index=rows, columns=wide.columns, fill_value=False)
    return wide.where(~(wide.isna() & mask.to_numpy()), 0)


def _knobs(text: str) -> str:
    values = json.loads(text).items()
    return "".join(f" {name}={value}" for name, value in values if name not in CIRCUMSTANCES)


def _native_first(wide: pd.DataFrame) -> pd.DataFrame:
    others = [name for name in wide.columns if name != NATIVE]
    return wide[[name for name in (NATIVE,) if name in wide.columns] + others]
