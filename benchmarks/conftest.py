"""Fixtures of the benchmarks, and what is printed at the end: every measured value beside its bar."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from benchmarks.bars import Board
from benchmarks.growth import Growth

_BOARD = pytest.StashKey[Board]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_BOARD] = Board()


@pytest.fixture(scope="session")
def board(pytestconfig: pytest.Config) -> Board:
    """Where measured values go that have a bar."""
    return pytestconfig.stash[_BOARD]


@pytest.fixture(scope="session")
def growth() -> Iterator[Growth]:
    """Where curves go; they are drawn when the session ends."""
    found = Growth()
    yield found
    if found.curves:
        print(f"\nPicture of growth: {found.draw()}")


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    board = config.stash[_BOARD]
    for title, lines in (
        ("one iteration of a loop in other simulators", board.comparisons),
        ("measured, beside what it should be", list(board.lines())),
    ):
        if lines:
            terminalreporter.section(title)
        for line in lines:
            terminalreporter.write_line(line)
