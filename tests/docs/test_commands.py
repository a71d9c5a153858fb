"""Commands that the documentation shows without running them: those that need a network, a cluster or a file of one's own."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from trapbench import cli

ROOT = Path(__file__).parents[2]
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_INDENTED = re.compile(r"^    (trapbench (?:.*\\\n)*.*)$", re.MULTILINE)
#: In a synopsis: what may be left out.
_OPTIONAL = re.compile(r"\[([^\]]*)\](\.\.\.)?")


def _shown() -> list[tuple[str, str]]:
    """Page and command."""
    pages = [ROOT / "README.md", ROOT / "workloads" / "README.md", *(ROOT / "docs").rglob("*.md")]
    found = []
    for page in pages:
        text = page.read_text("utf-8")
        for kind, block in _FENCE.findall(text):
            if kind == "sh":
                found += [(page, line) for line in block.splitlines()]
        found += [(page, line) for line in _INDENTED.findall(text)]
    return [
        (str(page.relative_to(ROOT)), _OPTIONAL.sub(r"\1", line).replace("\\\n", " "))
        for page, line in found
        if line.startswith("trapbench ")
    ]


@pytest.mark.parametrize(("page", "line"), _shown())
def test_a_command_that_is_shown_is_understood(page: str, line: str) -> None:
    _, name, *arguments = shlex.split(line, comments=True)
    command = cli.trapbench.get_command(click.Context(cli.trapbench), name)
    assert command is not None, page
    command.make_context(name, arguments)


def test_there_are_such_commands() -> None:
    assert len(_shown()) >= 15


def test_every_block_of_code_says_what_it_is() -> None:
    """So that one which ought to be run is not left out by mistake."""
    pages = [ROOT / "README.md", ROOT / "workloads" / "README.md", *(ROOT / "docs").rglob("*.md")]
    unnamed = []
    for page in pages:
        fences = re.findall(r"^```(.*)$", page.read_text("utf-8"), re.MULTILINE)
        unnamed += [page.name for opening in fences[::2] if not opening]
    assert unnamed == []
