"""Costing is a matrix product over the counters."""

from __future__ import annotations

import numpy as np
import pytest

from hardware_model import presets
from hardware_model.cost_table import COMPONENTS, COSTS, KEYS
from results import costs
from results.costs import UncostedCounterError

NEHALEM = presets.load("nehalem")


def test_the_incidence_matrix_has_the_declared_pairs() -> None:
    matrix = costs.incidence()
    pairs = {(costs.COSTED[row], KEYS[column]) for row, column in np.argwhere(matrix)}
    assert pairs == {(name, cost.key) for cost in COSTS for name in cost.counters}
    assert matrix.max() == 1.0


def test_every_cost_has_exactly_one_component() -> None:
    assert (costs.components().sum(axis=1) == 1).all()


def test_the_stack_adds_up_to_the_total() -> None:
    amounts = np.random.default_rng(1).integers(0, 1000, (7, len(COSTS))).astype(float)
    prices = costs.vector(NEHALEM)
    stack = costs.stack(amounts, prices)
    assert stack.shape == (7, len(COMPONENTS))
    np.testing.assert_allclose(stack.sum(axis=1), costs.totals(amounts, prices))


def test_many_price_vectors_are_evaluated_at_once() -> None:
    amounts = np.random.default_rng(2).integers(0, 1000, (5, len(COSTS))).astype(float)
    prices = np.stack([costs.vector(NEHALEM, bound) for bound in ("low", "value", "high")])
    totals = costs.totals(amounts, prices)
    assert totals.shape == (3, 5)
    assert costs.stack(amounts, prices).shape == (3, 5, len(COMPONENTS))
    np.testing.assert_allclose(totals[1], costs.totals(amounts, costs.vector(NEHALEM)))
    assert (totals[0] <= totals[1]).all()
    assert (totals[1] <= totals[2]).all()


def test_an_undeclared_counter_is_named() -> None:
    with pytest.raises(UncostedCounterError, match=r"counter exit\.teapot has neither"):
        costs.check_counter("exit.teapot")
    costs.check_counter("exits")
    costs.check_counter("instructions")
