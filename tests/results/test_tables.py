"""Tables of a run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from hardware_model.counters import COUNTERS
from results import tables
from results.finished import Finished
from results.run import Run

Fill = Callable[..., Path]


@pytest.fixture
def run(native: Finished, ept: Finished, fill_folder: Fill) -> Run:
    quick = replace(ept.cell, knobs='{"vpid":false}')
    other = replace(native.cell, workload="exit/cpuid")
    return Run.load(
        fill_folder(
            "a",
            [
                native,
                ept,
                replace(ept, cell=quick, status="failed", reason="triple fault", counters={}),
                replace(native, cell=other, counters={"roi": {"instructions": 2, "exits": 0}}),
            ],
        )
    )


def test_entries_are_zero_where_a_cell_ran_and_nothing_where_none_did(run: Run) -> None:
    wide = tables.entries_into_vmm(run)
    assert list(wide.columns) == ["native", "hvm-ept", "hvm-ept vpid=False"]
    assert wide.loc["nano/syscall"].tolist()[:2] == [0, 7]
    assert wide.loc["exit/cpuid", "native"] == 0
    assert wide.isna().loc["exit/cpuid"].tolist() == [False, True, True]
    assert pd.isna(wide.loc["nano/syscall", "hvm-ept vpid=False"])


def test_a_callout_from_the_translation_cache_enters_the_vmm(
    native: Finished, fill_folder: Fill
) -> None:
    counts = {"roi": {"traps": 3, "bt.callout": 4, "bt.callout.emulate": 4}}
    translated = replace(native, cell=replace(native.cell, technique="bt"), counters=counts)
    wide = tables.entries_into_vmm(Run.load(fill_folder("c", [native, translated])))
    assert wide.loc["nano/syscall"].tolist() == [0, 7]


def test_sums_of_reasons_are_no_reasons() -> None:
    known = {counter.name: tables.is_reason(counter.name) for counter in COUNTERS}
    assert known["hypercall.unimplemented.40"]
    assert known["bt.callout.link"]
    assert not known["hypercall.unimplemented"]
    assert not known["hypercall.entries"]
    assert not known["exits"]


def test_counters_that_are_zero_for_one_technique_are_shown_as_zero(run: Run) -> None:
    wide = tables.counters(run)
    assert wide.loc[("nano/syscall", "exits")].tolist()[:2] == [0, 7]


def test_statuses_tell_every_variant_apart(run: Run) -> None:
    wide = tables.statuses(run)
    assert wide.loc["nano/syscall"].tolist() == ["ok", "ok", "failed"]


def test_a_model_that_alone_entered_the_vmm_is_still_told_apart(
    native: Finished, ept: Finished, fill_folder: Fill
) -> None:
    """Only one cell has exits, and so only one I/O model; its row is named by it all the same."""
    assigned = replace(
        ept,
        cell=replace(ept.cell, workload="io/disk-read", io="passthrough"),
        counters={"roi": {"exits": 64}},
    )
    own = replace(
        native, cell=replace(native.cell, workload="io/disk-read"), counters={"roi": {"blocks": 9}}
    )
    run = Run.load(fill_folder("io", [own, assigned]))
    assert tables.entries_into_vmm(run).loc["io/disk-read passthrough", "hvm-ept"] == 64
    shown = tables.counters(run)
    assert shown.loc[("io/disk-read passthrough", "exits"), "hvm-ept"] == 64


def test_hot_exits_are_listed_hottest_first(
    native: Finished, ept: Finished, fill_folder: Fill
) -> None:
    cold = replace(ept.hot_exits[0], rip=1, count=3)
    run = Run.load(fill_folder("b", [native, replace(ept, hot_exits=(cold, *ept.hot_exits))]))
    assert tables.hot_exits(run)["count"].tolist() == [7, 3]
    assert tables.hot_exits(run, limit=1)["count"].tolist() == [7]


def test_native_cycles_and_ratios_leave_out_cells_that_failed(run: Run) -> None:
    assert set(tables.native_cycles(run, "nehalem")) == {"nano/syscall", "exit/cpuid"}
    assert list(tables.ratios(run, "nehalem").columns) == ["native", "hvm-ept"]


def test_rows_name_the_size_when_a_run_has_several(native: Finished, fill_folder: Fill) -> None:
    large = replace(native, cell=replace(native.cell, size="large"))
    run = Run.load(fill_folder("c", [native, large]))
    assert list(tables.statuses(run).index) == ["nano/syscall large", "nano/syscall small"]


@pytest.fixture
def circumstances(native: Finished, ept: Finished, fill_folder: Fill) -> Run:
    """A cell alone, one beside another VM, and an attack with its protection and without."""
    shared = replace(ept.cell, knobs='{"beside":"pv:kernel/pipe","vpid":false}')
    attack = replace(ept.cell, workload="isolation/dma")
    cells = [native, ept, replace(ept, cell=shared)]
    cells += [
        replace(ept, cell=replace(attack, knobs=knobs)) for knobs in ("{}", '{"protection":false}')
    ]
    cells.append(replace(native, cell=attack.baseline))
    return Run.load(fill_folder("d", cells))


def test_circumstances_are_told_in_the_row_and_add_no_column(circumstances: Run) -> None:
    wide = tables.statuses(circumstances)
    assert list(wide.columns) == ["native", "hvm-ept", "hvm-ept vpid=False"]
    assert list(wide.index) == [
        "isolation/dma",
        "isolation/dma protection=off",
        "nano/syscall",
        "nano/syscall beside pv:kernel/pipe",
    ]


def test_neither_attacks_nor_shared_machines_are_compared_for_speed(circumstances: Run) -> None:
    assert list(tables.ratios(circumstances, "nehalem").index) == ["nano/syscall"]
    winners = circumstances.winners("nehalem")
    assert winners[["workload", "knobs", "probability"]].to_numpy().tolist() == [
        ["nano/syscall", "{}", 1.0]
    ]


def test_where_the_cycles_of_a_shared_machine_went_can_be_asked(circumstances: Run) -> None:
    rows = tables.cycle_stack(circumstances, "nehalem").index.get_level_values("row")
    assert "nano/syscall beside pv:kernel/pipe" in rows
