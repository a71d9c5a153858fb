"""Every counter is multiplied by a cost or excluded with a reason."""

from __future__ import annotations

import pytest

from hardware_model.cost_table import COMPONENTS, COSTS, KEYS
from hardware_model.counters import COUNTERS
from hardware_model.uncosted import EXCLUDED

COSTED = {name for cost in COSTS for name in cost.counters}
DECLARED = {counter.name for counter in COUNTERS}


@pytest.mark.parametrize("name", sorted(DECLARED))
def test_a_counter_is_either_costed_or_excluded(name: str) -> None:
    assert (name in COSTED) != (name in EXCLUDED)


def test_nothing_is_costed_or_excluded_that_is_not_declared() -> None:
    assert DECLARED >= COSTED
    assert set(EXCLUDED) <= DECLARED


def test_an_exclusion_has_a_reason() -> None:
    assert all(EXCLUDED.values())


def test_keys_are_unique_and_components_are_declared() -> None:
    assert len(set(KEYS)) == len(KEYS)
    assert {cost.component for cost in COSTS} <= set(COMPONENTS)


def test_no_key_is_the_prefix_of_another() -> None:
    """Keys are paths of TOML tables: a table cannot be a cost at the same time."""
    keys = set(KEYS)
    assert not any(
        key.rsplit(".", n)[0] in keys for key in keys for n in range(1, key.count(".") + 1)
    )


def test_an_exit_costs_a_round_trip_and_its_dispatch() -> None:
    assert [c.key for c in COSTS if "exits" in c.counters] == [
        "vmx.round_trip",
        "vmm.exit_dispatch",
    ]
