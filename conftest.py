"""Collects the code blocks of README.md and docs/ as tests: commands and Python run (kinds: `docs/code_blocks.py`).

Each page has an empty folder of its own; README.md and pages for a checkout see the checkout's folders in it.
"""

from __future__ import annotations

import contextlib
import io
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import click
import ratio_tables
from code_blocks import (
    FILES,
    OF_A_CHECKOUT,
    REASONS,
    ROOT,
    RUN,
    Block,
    blocks,
    commands,
    complaint,
)
from sybil import Document, Example, Region, Sybil

from trapbench import cli

#: What a test runs is run, not taken from the cells of earlier runs.
os.environ["TRAPBENCH_CACHE"] = "off"
os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"

_LINKED = ("docs", "workloads", "Makefile", "pyproject.toml", "conftest.py")


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


def _understand(command: str) -> None:
    """A command that cannot be run here is at least one that `trapbench` has, with options that it has."""
    if command.startswith("trapbench "):
        _, name, *arguments = shlex.split(command.partition(" | ")[0], comments=True)
        found = cli.trapbench.get_command(click.Context(cli.trapbench), name)
        assert found is not None, f"there is no `trapbench {name}`"
        found.make_context(name, arguments)


def _evaluate(example: Example) -> str | None:
    block: Block = example.parsed
    if block.kind in FILES:
        Path(block.file).write_text(block.text, encoding="utf-8")
    elif block.kind == "python":
        padded = "\n" * (block.line + 1) + block.text
        exec(compile(padded, example.path, "exec", dont_inherit=True), example.namespace)
    else:
        for command in commands(block.text):
            if command.reason and not REASONS[command.reason]():
                _understand(command.text)
            elif said := complaint(command, *_run(command.text)):
                return said
    return None


def _compare(example: Example) -> str | None:
    return ratio_tables.complaint(example.parsed) or None


def _parse(document: Document) -> Iterator[Region]:
    """Every block of a page that something is done with; a test sees to it that nothing else holds a command."""
    document.namespace["_page"] = Path(document.path).resolve()
    starts = [0]
    for line in document.text.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    for block in blocks(document.text):
        if block.kind in RUN or (block.file and block.kind in FILES):
            yield Region(starts[block.line], starts[block.end] - 1, block, _evaluate)
    for table in ratio_tables.tables(document.text):
        yield Region(table.start, table.end, table, _compare)


def _enter(namespace: dict[str, object]) -> None:
    folder = tempfile.TemporaryDirectory()
    namespace["_before"], namespace["_folder"] = Path.cwd(), folder
    os.chdir(folder.name)
    if namespace["_page"] in OF_A_CHECKOUT:
        for name in _LINKED:
            Path(name).symlink_to(ROOT / name)


def _leave(namespace: dict[str, object]) -> None:
    os.chdir(str(namespace["_before"]))
    namespace["_folder"].cleanup()  # type: ignore[attr-defined]


pytest_collect_file = Sybil(
    parsers=[_parse],
    patterns=["README.md", "docs/*.md", "docs/**/*.md"],
    setup=_enter,
    teardown=_leave,
).pytest()
