"""Collects the examples of README.md and docs/ as tests: `console` and `python` blocks really run.

Each page has an empty folder of its own. In a `console` block lines that begin with `$ ` are commands; what follows one
is what it must print, `...` standing for anything. A command without such lines may print what it likes, but must end
with status 0. `# status: N` behind a command says which other status it must have.
"""

from __future__ import annotations

import contextlib
import doctest
import io
import os
import re
import shlex
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from sybil import Example, Sybil
from sybil.parsers.markdown import CodeBlockParser, PythonCodeBlockParser, SkipParser

from trapbench import cli

#: What a test runs is run, not taken from the cells of earlier runs.
os.environ["TRAPBENCH_CACHE"] = "off"

_STATUS = re.compile(r"\s+# status: (\d+)$")
_FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def _commands(block: str) -> Iterator[tuple[str, int, str]]:
    """Command, status and expected output, one after the other."""
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        lines = part.replace("\\\n", " ").splitlines()
        status = _STATUS.search(lines[0])
        command = _STATUS.sub("", lines[0])
        yield command, int(status[1]) if status else 0, "\n".join(lines[1:]).strip()


def _run(command: str) -> tuple[int, str]:
    """Status and output. `trapbench` runs in this process, which has its imports already."""
    if not command.startswith("trapbench "):
        return _shell(command, "")
    first, _, rest = command.partition(" | ")
    output = io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
        status = cli.invoke(shlex.split(first, comments=True)[1:])
    return _shell(rest, output.getvalue()) if rest else (status, output.getvalue())


def _shell(command: str, given: str) -> tuple[int, str]:
    done = subprocess.run(
        ["bash", "-c", command], input=given, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout + done.stderr


def _console(example: Example) -> str | None:
    for command, wanted, expected in _commands(example.parsed):
        status, printed = _run(command)
        printed = printed.strip()
        if status != wanted:
            return f"`{command}` ended with status {status}:\n{printed}"
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
