"""Each cost alone goes to its bounds, and costs are ranked by what that changes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from hardware_model import presets
from hardware_model.cost_table import KEYS
from results import sensitivity
from results.cycles import Amounts

NEHALEM = presets.load("nehalem")


@pytest.fixture
def amounts() -> Amounts:
    """Native work alone; the same with 10 exits; the same with 200 page walks."""
    values = np.zeros((3, len(KEYS)))
    values[:, KEYS.index("insn.alu")] = 100_000
    values[1, [KEYS.index("vmx.round_trip"), KEYS.index("vmm.exit_dispatch")]] = 10
    values[2, KEYS.index("walk.reference.l1")] = 200
    cells = pd.DataFrame(
        {
            "workload": "w/x",
            "size": "small",
            "io": "emulated",
            "geometry": "nehalem",
            "technique": ["native", "hvm-shadow", "hvm-ept"],
            "knobs": "{}",
        }
    )
    return Amounts(cells, values)


def test_the_tornado_ranks_costs_by_their_effect(amounts: Amounts) -> None:
    table = sensitivity.tornado(amounts, NEHALEM, 1, 0)
    assert set(table["cost"][:3]) == {"insn.alu", "vmm.exit_dispatch", "vmx.round_trip"}
    assert (table["swing"].diff().dropna() <= 0).all()
    assert table["swing"].iloc[3] == 0


def test_the_ends_of_a_bar_are_the_ratios_at_the_bounds(amounts: Amounts) -> None:
    row = sensitivity.tornado(amounts, NEHALEM, 2, 0).set_index("cost").loc["walk.reference.l1"]
    cost = NEHALEM.costs["walk.reference.l1"]
    assert row["at_low"] == pytest.approx(1 + 200 * cost.low / 50_000)
    assert row["at_high"] == pytest.approx(1 + 200 * cost.high / 50_000)


def test_over_all_cells_each_cost_names_the_cell_it_moves_most(amounts: Amounts) -> None:
    table = sensitivity.over_all_cells(amounts, NEHALEM).set_index("cost")
    assert table.loc["walk.reference.l1", "technique"] == "hvm-ept"
    assert table.loc["vmm.exit_dispatch", "technique"] == "hvm-shadow"
    assert table.loc["vmm.exit_dispatch", "cells"] == 1
    assert "insn.mul" not in table.index


def test_without_a_native_cell_nothing_is_ranked(amounts: Amounts) -> None:
    alone = Amounts(amounts.cells[1:].reset_index(drop=True), amounts.values[1:])
    assert sensitivity.over_all_cells(alone, NEHALEM).empty
