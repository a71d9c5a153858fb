"""Each notebook is a pair: a text source, and the same with the outputs of its last execution."""

from __future__ import annotations

from pathlib import Path

import jupytext
import nbformat
import pytest

FOLDER = Path(__file__).parents[2] / "notebooks"
SOURCES = sorted(FOLDER.glob("*.py"))


def test_there_are_notebooks() -> None:
    assert len(SOURCES) >= 7


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_the_notebook_is_made_of_its_source(source: Path) -> None:
    text, made = jupytext.read(source), nbformat.read(source.with_suffix(".ipynb"), 4)
    assert [(c.cell_type, c.source) for c in text.cells] == [
        (c.cell_type, c.source) for c in made.cells
    ], "make them anew: jupytext --to ipynb --execute notebooks/*.py"


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_it_was_executed_without_an_error_and_shows_something(source: Path) -> None:
    made = nbformat.read(source.with_suffix(".ipynb"), 4)
    code = [cell for cell in made.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    outputs = [output for cell in code for output in cell.outputs]
    assert not [output for output in outputs if output.output_type == "error"]
    assert any("text/html" in output.get("data", {}) for output in outputs)
