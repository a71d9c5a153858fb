"""Cycles, their components and their ratios come out of a counters table."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from hardware_model import presets
from hardware_model.cost_table import COMPONENTS
from hardware_model.counters import COUNTERS
from results import cycles
from results.cell import IDENTITY
from results.costs import UncostedCounterError

NEHALEM = presets.load("nehalem")


def price(key: str) -> float:
    return NEHALEM.costs[key].value


def table(*rows: tuple[str, str, str, str, int]) -> pd.DataFrame:
    """A counters table of (workload, technique, scope, counter, value)."""
    full = [
        (workload, "small", "emulated", "nehalem", technique, "{}", scope, counter, value)
        for workload, technique, scope, counter, value in rows
    ]
    return pd.DataFrame(full, columns=[*IDENTITY, "scope", "counter", "value"])


COUNTS = table(
    ("a", "native", "roi", "insn.alu", 1000),
    ("a", "native", "roi", "instructions", 1000),
    ("a", "native", "total", "insn.alu", 5000),
    ("a", "hvm-ept", "roi", "insn.alu", 1000),
    ("a", "hvm-ept", "roi", "exits", 10),
    ("a", "hvm-ept", "roi", "exit.cpuid", 10),
    ("a", "hvm-ept", "roi", "vmread", 20),
    ("b", "hvm-ept", "roi", "insn.load", 4),
)


def component(frame: pd.DataFrame, workload: str, technique: str, name: str) -> float:
    chosen = frame[
        (frame["workload"] == workload)
        & (frame["technique"] == technique)
        & (frame["component"] == name)
    ]
    return float(chosen["cycles"].item())


def test_a_component_is_the_dot_product_of_its_counters_and_costs() -> None:
    stack = cycles.cycles(COUNTS, "nehalem")
    transitions = 10 * price("vmx.round_trip") + 20 * price("vmx.vmread")
    assert component(stack, "a", "hvm-ept", "transitions") == pytest.approx(transitions)
    assert component(stack, "a", "hvm-ept", "guest work") == 1000 * price("insn.alu")
    assert component(stack, "a", "native", "transitions") == 0


def test_every_cell_has_every_component_in_the_declared_order() -> None:
    stack = cycles.cycles(COUNTS, NEHALEM)
    for _, cell in stack.groupby(list(IDENTITY)):
        assert tuple(cell["component"]) == COMPONENTS


def test_the_scope_chooses_the_rows() -> None:
    total = cycles.cycles(COUNTS, NEHALEM, scope="total")
    assert component(total, "a", "native", "guest work") == 5000 * price("insn.alu")
    assert set(total["workload"]) == {"a"}


def test_ratios_are_to_native_of_the_same_workload() -> None:
    frame = cycles.ratios(COUNTS, NEHALEM).set_index(["workload", "technique"])
    assert frame.loc[("a", "native"), "ratio"] == 1
    expected = frame.loc[("a", "hvm-ept"), "cycles"] / (1000 * price("insn.alu"))
    assert frame.loc[("a", "hvm-ept"), "ratio"] == pytest.approx(expected)
    assert np.isnan(frame.loc[("b", "hvm-ept"), "ratio"])


def test_by_cost_adds_up_to_the_cycles() -> None:
    parts = cycles.by_cost(COUNTS, NEHALEM).groupby(["workload", "technique"])["cycles"].sum()
    whole = cycles.ratios(COUNTS, NEHALEM).set_index(["workload", "technique"])["cycles"]
    pd.testing.assert_series_equal(parts, whole.sort_index())


def test_a_users_preset_file_is_named_by_its_path(tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text(
        'base = "nehalem"\n[costs]\nvmx.round_trip = { value = 0, low = 0, high = 0, '
        'unit = "cycles", kind = "estimated", source = "ESTIMATE: none" }',
        encoding="utf-8",
    )
    stack = cycles.cycles(COUNTS, own)
    reads = 20 * price("vmx.vmread")
    assert component(stack, "a", "hvm-ept", "transitions") == pytest.approx(reads)


def test_an_unknown_counter_is_named() -> None:
    with pytest.raises(UncostedCounterError, match=r"exit\.teapot"):
        cycles.cycles(table(("a", "native", "roi", "exit.teapot", 1)), NEHALEM)


def test_an_empty_table_gives_empty_answers() -> None:
    assert cycles.cycles(COUNTS.iloc[:0], NEHALEM).empty
    assert cycles.ratios(COUNTS.iloc[:0], NEHALEM).empty


def test_a_preset_over_a_whole_matrix_takes_milliseconds() -> None:
    rows = [
        (f"w{w}", technique, "roi", counter.name, w + 1)
        for w in range(60)
        for technique in ("native", "hvm-ept", "hvm-shadow")
        for counter in COUNTERS
    ]
    amounts = cycles.amounts(table(*rows))
    best = min(_seconds(amounts) for _ in range(5))
    assert best < 0.1


def _seconds(amounts: cycles.Amounts) -> float:
    start = time.perf_counter()
    cycles.ratios(amounts, NEHALEM)
    return time.perf_counter() - start
