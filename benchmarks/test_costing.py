"""Speed of costing: a whole matrix on a preset, and on thousands of perturbed ones."""

from __future__ import annotations

import numpy as np
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.bars import Board
from hardware_model import presets
from hardware_model.cost_table import KEYS
from results import costs, uncertainty

CELLS, SAMPLES = 200, 10_000
AMOUNTS = np.random.default_rng(1).integers(0, 10**6, (CELLS, len(KEYS))).astype(float)
NEHALEM = presets.load("nehalem")


def test_a_million_cell_samples_a_second(benchmark: BenchmarkFixture, board: Board) -> None:
    """Drawing the samples is part of it."""

    def evaluate() -> costs.Matrix:
        return costs.totals(AMOUNTS, uncertainty.sample(NEHALEM, SAMPLES))

    assert benchmark(evaluate).shape == (SAMPLES, CELLS)
    if benchmark.stats is not None:
        rate = CELLS * SAMPLES / benchmark.stats["mean"]
        benchmark.extra_info["cell samples per second"] = round(rate)
        print("\n" + board.measured("costing", rate / 1e6), end="")
        assert rate > 1e6


def test_a_matrix_on_one_preset(benchmark: BenchmarkFixture) -> None:
    stack = benchmark(lambda: costs.stack(AMOUNTS, costs.vector(NEHALEM)))
    assert stack.shape[0] == CELLS
