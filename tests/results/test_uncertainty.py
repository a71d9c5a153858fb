"""Ranges of costs become intervals of ratios; break-even points are exact."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hardware_model import presets
from hardware_model.cost_table import KEYS
from hardware_model.quantity import Quantity
from results import costs, crossover, uncertainty
from results.cycles import Amounts
from results.errors import ResultsError

NEHALEM = presets.load("nehalem")
PLACE = {"workload": "w/x", "size": "small", "io": "emulated", "geometry": "nehalem"}


@pytest.fixture
def amounts() -> Amounts:
    """Native work alone; the same with 10 exits; the same with 200 page walks."""
    values = np.zeros((3, len(KEYS)))
    values[:, KEYS.index("insn.alu")] = 100_000
    values[1, [KEYS.index("vmx.round_trip"), KEYS.index("vmm.exit_dispatch")]] = 10
    values[2, KEYS.index("walk.reference.l1")] = 200
    cells = pd.DataFrame(
        {
            **PLACE,
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


def test_a_cost_is_as_often_below_its_value_as_above_it() -> None:
    drawn = uncertainty.sample(NEHALEM, 2_000)
    value, low, high = (costs.vector(NEHALEM, name) for name in ("value", "low", "high"))
    uncertain = (low < value) & (value < high)
    below = (drawn < value).sum(axis=0)[uncertain]
    assert below.tolist() == [1_000] * len(below)


def test_the_halves_are_triangles_with_their_peak_at_the_value() -> None:
    cost = NEHALEM.costs["vmm.exit_dispatch"]
    drawn = uncertainty.sample(NEHALEM, 20_000)[:, KEYS.index("vmm.exit_dispatch")]
    above = drawn[drawn > cost.value]
    assert above.mean() == pytest.approx(cost.value + (cost.high - cost.value) / 3, rel=0.001)
    assert drawn[drawn < cost.value].mean() == pytest.approx(
        cost.value - (cost.value - cost.low) / 3, rel=0.001
    )


def test_costs_of_one_scale_go_together_half_the_way_and_others_do_not() -> None:
    drawn = uncertainty.sample(NEHALEM, 20_000).argsort(axis=0).argsort(axis=0)

    def correlation(*keys: str) -> float:
        return float(np.corrcoef(drawn[:, [KEYS.index(key) for key in keys]].T)[0, 1])

    assert correlation("vmm.exit_dispatch", "shadow.fill") == pytest.approx(0.5, abs=0.03)
    assert correlation("vmm.exit_dispatch", "insn.alu") == pytest.approx(0.0, abs=0.03)


@given(seed=st.integers(0, 2**32 - 1), skew=st.floats(1.0, 30.0), level=st.floats(0.05, 0.99))
@settings(max_examples=25, deadline=None)
def test_a_point_estimate_lies_within_its_interval(seed: int, skew: float, level: float) -> None:
    generator = np.random.default_rng(seed)
    ranges = {
        key: Quantity(
            1.0, 1 - generator.random(), 1 + skew * generator.random(), "", "estimated", ""
        )
        for key in KEYS
    }
    values = generator.integers(1, 10**4, (8, len(KEYS))) ** 2.0
    names = ["native", *(f"t{n}" for n in range(7))]
    cells = pd.DataFrame({**PLACE, "technique": names, "knobs": "{}"})
    table = uncertainty.intervals(
        Amounts(cells, values), replace(NEHALEM, costs=ranges), level=level, samples=200
    )
    assert (table["low"] <= table["ratio"]).all()
    assert (table["ratio"] <= table["high"]).all()


@given(
    samples=st.lists(st.floats(-1e6, 1e6), min_size=100, max_size=300, unique=True),
    share=st.floats(0.0, 1.0),
    level=st.floats(0.1, 0.95),
)
def test_an_interval_holds_its_share_of_the_samples(
    samples: list[float], share: float, level: float
) -> None:
    centre = np.quantile(samples, [share])
    bounds = uncertainty.around(centre, np.array(samples)[:, np.newaxis], level)
    inside = (np.array(samples) >= bounds["low"]) & (np.array(samples) <= bounds["high"])
    assert abs(inside.mean() - level) <= 2 / len(samples) + 1e-9
    assert bounds["low"] <= centre <= bounds["high"]


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
