"""Ranges of costs become intervals of ratios; break-even points are exact."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from hardware_model import presets
from hardware_model.cost_table import KEYS
from results import costs, crossover, uncertainty
from results.cycles import Amounts
from results.errors import ResultsError

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


def test_samples_are_deterministic_and_within_the_ranges() -> None:
    drawn = uncertainty.sample(NEHALEM, 300)
    np.testing.assert_array_equal(drawn, uncertainty.sample(NEHALEM, 300))
    assert (drawn >= costs.vector(NEHALEM, "low") - 1e-9).all()
    assert (drawn <= costs.vector(NEHALEM, "high") + 1e-9).all()
    assert not np.array_equal(drawn, uncertainty.sample(NEHALEM, 300, seed=1))


def test_the_mean_of_the_samples_is_that_of_the_triangle() -> None:
    cost = NEHALEM.costs["vmm.exit_dispatch"]
    drawn = uncertainty.sample(NEHALEM, 20_000)[:, KEYS.index("vmm.exit_dispatch")]
    assert drawn.mean() == pytest.approx((cost.low + cost.value + cost.high) / 3, rel=0.02)


def test_an_interval_holds_its_ratio_and_native_is_one(amounts: Amounts) -> None:
    table = uncertainty.intervals(amounts, NEHALEM).set_index("technique")
    assert table.loc["native", ["ratio", "low", "high"]].tolist() == [1, 1, 1]
    assert table.loc["hvm-shadow", "low"] < table.loc["hvm-shadow", "high"]
    assert table.loc["hvm-shadow", "ratio"] == pytest.approx(1 + 10 * (1009 + 450) / 50_000)


def test_probabilities_of_winning_add_up(amounts: Amounts) -> None:
    table = uncertainty.winners(amounts, NEHALEM).set_index("technique")
    assert table["probability"].sum() == pytest.approx(1)
    assert table.loc["hvm-ept", "probability"] > 0.9


def test_at_the_break_even_both_take_the_same_time(amounts: Amounts) -> None:
    row = crossover.crossovers(amounts, NEHALEM, "walk.reference.l1").iloc[0]
    prices = costs.vector(NEHALEM)
    prices[KEYS.index("walk.reference.l1")] = row["cost"]
    shadow, ept = costs.totals(amounts.values, prices)[1:]
    assert shadow == pytest.approx(ept)
    assert (row["below"], row["above"], row["now"]) == ("hvm-ept", "hvm-shadow", "hvm-ept")


def test_several_costs_are_scaled_together(amounts: Amounts) -> None:
    row = crossover.crossovers(amounts, NEHALEM, "vm*", ("hvm-shadow", "hvm-ept")).iloc[0]
    assert row["factor"] == pytest.approx(200 * 13.5 / (10 * (1009 + 450)))
    assert row["above"] == "hvm-ept"


def test_techniques_that_never_meet_keep_their_winner(amounts: Amounts) -> None:
    row = crossover.crossovers(amounts, NEHALEM, "insn.alu").iloc[0]
    assert np.isnan(row["factor"])
    assert row["now"] == row["above"] == "hvm-ept"


def test_an_unknown_cost_is_named() -> None:
    with pytest.raises(ResultsError, match=r"did you mean vmx\.round_trip"):
        crossover.matching("vmx.roundtrip")
