"""Workers of a test run take what belongs together, the long first."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import distribution

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("place", [*distribution.TOGETHER, *distribution.LONG])
def test_what_is_named_exists(place: str) -> None:
    assert (ROOT / place).is_dir() == place.endswith("/")
    assert (ROOT / place).exists()


def test_a_group_is_a_folder_that_shares_cells_or_a_file_or_a_page() -> None:
    assert distribution.group("tests/suite/test_probe.py::test_x[a::b]") == "tests/suite/"
    assert distribution.group("tests/docs/test_a.py::test_x") == "tests/docs/test_a.py"
    assert distribution.group("docs/decide.md::line:25,column:1") == "docs/decide.md"


def test_workers_share_the_processors() -> None:
    assert [distribution.share({0, 1}, n, 2) for n in range(2)] == [{0}, {1}]
    assert [distribution.share({0, 1, 4, 5, 6}, n, 2) for n in range(2)] == [{0, 4, 6}, {1, 5}]
    assert [distribution.share({2, 3}, n, 3) for n in range(3)] == [{2}, {3}, {2}]
