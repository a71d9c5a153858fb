"""Progress is for people: on a terminal it says what takes its time, in a pipe nothing."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from hardware_model.executor import build
from results.cell import Cell
from results.finished import Finished
from trapbench import progress

CELL = Finished(Cell("nano/in", "small", "emulated", "nehalem", "native"), "k", "ok")


def _shown(monkeypatch: pytest.MonkeyPatch, *, terminal: bool, compiled: bool) -> str:
    written = io.StringIO()
    console = Console(file=written, force_terminal=terminal, width=160)
    monkeypatch.setattr(progress, "Console", lambda stderr: console)
    monkeypatch.setattr(build, "compiled", lambda: compiled)
    assert list(progress.watch([], iter([CELL, CELL]))) == [CELL, CELL]
    return written.getvalue()


@pytest.mark.parametrize("compiled", [True, False])
def test_the_first_run_says_that_it_compiles(
    monkeypatch: pytest.MonkeyPatch, compiled: bool
) -> None:
    shown = _shown(monkeypatch, terminal=True, compiled=compiled)
    assert ("compiles the model" in shown) == (not compiled)
    assert "native nano/in" in shown


def test_nothing_is_written_into_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _shown(monkeypatch, terminal=False, compiled=False) == ""
