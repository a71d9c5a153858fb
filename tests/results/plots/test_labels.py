"""Labels move apart, and no further than they must."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from results.plots import labels, style


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_labels_keep_their_order_and_distance(places: list[float]) -> None:
    moved = np.array(labels.spread(places, 0.05))
    order = np.argsort(places, kind="stable")
    assert (np.diff(moved[order]) >= 0.05 - 1e-3).all()


def test_labels_with_room_stay() -> None:
    assert labels.spread([0.9, 0.1, 0.5], 0.1) == [0.9, 0.1, 0.5]


def test_ends_at_one_height_share_a_label() -> None:
    ends = [(1.0, 0.0, "bt", "red"), (1.0, 5.0, "hvm-ept", "blue"), (1.0, 0.01, "pv", "green")]
    assert labels.together(ends, 0.1) == [
        (1.0, 0.0, "bt\npv", "#444444"),
        (1.0, 5.0, "hvm-ept", "blue"),
    ]


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.4213, "0.421"), (1.0, "1"), (566.8, "567"), (12_340.0, "12.3k"), (3.4e6, "3.4M")],
)
def test_numbers_are_short(value: float, text: str) -> None:
    assert style.number(value) == text


def test_ratios_have_three_digits() -> None:
    assert [style.ratio(v) for v in (1.0, 15.27, 566.8)] == ["1.00", "15.3", "567"]
