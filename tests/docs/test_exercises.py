"""The exercises' tests fail on the gaps and pass on the reference answers."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "docs" / "exercises"
NAMES = sorted(path.stem for path in FOLDER.glob("[0-9]_*.py"))


def run(name: str, answers: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(FOLDER.parents[1]), "TRAPBENCH_ANSWERS": answers}
    keyword = f"test_{name[2:]}"
    command = [sys.executable, "-m", "pytest", str(FOLDER), "-q", "-n0", "-k", keyword]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


def test_every_exercise_has_its_answer():
    assert [path.stem for path in sorted((FOLDER / "answers").glob("[0-9]_*.py"))] == NAMES
    assert len(NAMES) == 5


@pytest.mark.parametrize("name", NAMES)
def test_the_gap_fails_and_the_answer_passes(name):
    gap, answer = run(name, ""), run(name, "1")
    assert "NotImplementedError: fill me in" in gap.stdout
    assert gap.returncode == 1
    assert answer.returncode == 0, answer.stdout
    assert "1 passed" in answer.stdout
