"""Collects the examples of README.md and docs/ as tests: `console` and `python` blocks really run.

Each page has an empty folder of its own. In a `console` block lines that begin with `$ ` are commands; what follows one
is what it must print, `...` standing for anything. A command without such lines may print what it likes, but must end
with status 0. `# status: N` behind a command says which other status it must have.
"""

from __future__ import annotations

import doctest
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from sybil import Example, Sybil
from sybil.parsers.markdown import CodeBlockParser, PythonCodeBlockParser, SkipParser

_COLUMNS = "110"
_STATUS = re.compile(r"\s+# status: (\d+)$")
_FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def _commands(block: str) -> Iterator[tuple[str, int, str]]:
    """Command, status and expected output, one after the other."""
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        lines = part.replace("\\\n", " ").splitlines()
        status = _STATUS.search(lines[0])
        command = _STATUS.sub("", lines[0])
        yield command, int(status[1]) if status else 0, "\n".join(lines[1:]).strip()


def _console(example: Example) -> str | None:
    scripts = Path(sys.executable).parent
    environment = os.environ | {
        "COLUMNS": _COLUMNS,
        "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join((str(Path(__file__).parent), *sys.path)),
    }
    for command, status, expected in _commands(example.parsed):
        done = subprocess.run(
            ["bash", "-c", command], capture_output=True, text=True, env=environment, check=False
        )
        printed = (done.stdout + done.stderr).strip()
        if done.returncode != status:
            return f"`{command}` ended with status {done.returncode}:\n{printed}"
        if expected and not doctest.OutputChecker().check_output(expected, printed, _FLAGS):
            return f"`{command}` printed:\n{printed}\n\nbut the page says:\n{expected}"
    return None


def _enter(namespace: dict[str, object]) -> None:
    folder = tempfile.TemporaryDirectory()
    namespace["_before"], namespace["_folder"] = Path.cwd(), folder
    os.chdir(folder.name)


def _leave(namespace: dict[str, object]) -> None:
    os.chdir(str(namespace["_before"]))
    namespace["_folder"].cleanup()  # type: ignore[attr-defined]


pytest_collect_file = Sybil(
    parsers=[SkipParser(), CodeBlockParser("console", _console), PythonCodeBlockParser()],
    patterns=["README.md", "docs/*.md", "docs/**/*.md"],
    setup=_enter,
    teardown=_leave,
).pytest()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The examples of a page build on each other: one worker takes them all."""
    for item in items:
        if item.path.suffix == ".md":
            item.add_marker(pytest.mark.xdist_group(item.path.name))
