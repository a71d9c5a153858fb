"""What strict unmapping waits for stands in the cycle stack of its cells, beside deferred and static mapping."""

from __future__ import annotations

import pandas as pd
import pytest

import trapbench
from hardware_model import presets

POLICIES = {"strict": "", "deferred": "@deferred", "static": "@static"}


@pytest.fixture(scope="module")
def run():
    """The three cells."""
    names = [f"io/dma-mapping{variant}" for variant in POLICIES.values()]
    return trapbench.run(techniques=["native"], workloads=names)


def shares(run, preset: str) -> pd.DataFrame:
    """Of each policy's cycles, the part of each component."""
    stack = run.cycles(preset)
    wide = stack.pivot_table(index="workload", columns="component", values="cycles", observed=True)
    wide.index = [name.partition("@")[2] or "strict" for name in wide.index]
    return wide.div(wide.sum(axis=1), axis=0)


def test_waiting_for_the_unit_is_most_of_the_strict_stack_and_little_of_the_deferred(run):
    invalidation = shares(run, "nehalem")["IOTLB invalidation"].round(4)
    assert invalidation.to_dict() == {"strict": 0.5821, "deferred": 0.035, "static": 0.0}


def test_the_component_is_the_number_of_waits_times_their_cost(run):
    cost = presets.load("nehalem").costs["iommu.invalidate"].value
    stack = run.cycles("nehalem")
    waiting = stack[stack["component"] == "IOTLB invalidation"].set_index("workload")["cycles"]
    assert (waiting / cost).round(6).tolist() == [80, 2, 0]


@pytest.mark.parametrize("preset", presets.names())
def test_the_order_of_the_policies_is_that_of_every_processor(run, preset):
    part = shares(run, preset)["IOTLB invalidation"]
    assert part["strict"] > 10 * part["deferred"] > part["static"] == 0
