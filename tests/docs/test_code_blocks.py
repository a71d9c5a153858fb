"""Every block of README.md and docs/ is run, or says why not: what is not run is listed here, so that none slips in."""

from __future__ import annotations

import contextlib
import re
import shlex
from collections import Counter
from pathlib import Path

import click
import code_blocks
import pytest

import techniques
from trapbench import cli
from trapbench.knob_settings import by_technique

_NOT_EVERYWHERE = {
    ("README.md", "takes minutes"): 2,
    ("README.md", "needs a network"): 1,
    ("README.md", "needs a kernel"): 1,
    ("docs/calibration.md", "takes minutes"): 2,
    ("docs/compare-host.md", "needs KVM"): 1,
    ("docs/first-hour.md", "takes minutes"): 1,
    ("docs/linux.md", "needs a network"): 1,
    ("docs/linux.md", "needs a kernel"): 3,
    ("docs/validation.md", "takes minutes"): 1,
}
"""Commands that are not run in every test, by page and reason."""

_DRAWINGS = {
    "docs/calibration.md": 1,
    "docs/linux.md": 3,
    "docs/mechanisms/4-vt-x.md": 1,
    "docs/mechanisms/6-vt-d.md": 1,
}
"""Blocks without a command: drawings, lines of a file, outputs of a guest."""

_TEXTS = {page: page.read_text("utf-8") for page in code_blocks.pages()}
_INLINE = re.compile(r"(?<!`)`(trapbench [^`]+)`", re.DOTALL)
_SET = re.compile(r"--set (?:[\w-]+/)?([\w.-]+)=([\w./-]+)")


def _name(page: Path) -> str:
    return str(page.relative_to(code_blocks.ROOT))


def _of_kind(kind: str) -> list[tuple[str, code_blocks.Block]]:
    found = ((_name(page), b) for page, text in _TEXTS.items() for b in code_blocks.blocks(text))
    return [(page, block) for page, block in found if block.kind == kind]


_COMMANDS = [
    (page, command)
    for page, block in _of_kind("console")
    for command in code_blocks.commands(block.text)
]
_SHOWN = [
    (_name(page), " ".join(c.split())) for page, t in _TEXTS.items() for c in _INLINE.findall(t)
]


def test_every_block_is_of_a_kind_that_is_run_or_written_or_no_command() -> None:
    kinds = {*code_blocks.RUN, *code_blocks.FILES, *code_blocks.DIRECTIVES}
    for page, text in _TEXTS.items():
        for block in code_blocks.blocks(text):
            where = f"{_name(page)}, line {block.line + 1}"
            assert block.kind in kinds, f"{where}: the kind is {block.kind or 'not given'!r}"
            assert block.file or block.kind not in ("asm", "toml"), f"{where}: which file is it?"
        assert "skip:" not in text, _name(page)


def test_what_is_not_run_everywhere_is_what_is_listed() -> None:
    found = Counter((page, command.reason) for page, command in _COMMANDS if command.reason)
    assert found == _NOT_EVERYWHERE
    assert len(_COMMANDS) > 100
    print(f"\n{len(_COMMANDS)} commands, of which {found.total()} wait for something:")
    for (page, reason), number in found.items():
        print(f"  {page}: {number} {reason}")


def test_a_block_of_text_is_a_drawing_that_is_listed_or_a_file() -> None:
    drawings = [(page, block) for page, block in _of_kind("text") if not block.file]
    assert Counter(page for page, _ in drawings) == _DRAWINGS
    for page, block in drawings:
        assert not re.search(r"^\s*(\$ |(trapbench|python|make|pip|pytest) )", block.text, re.M), (
            page
        )


def test_a_console_block_begins_with_a_command() -> None:
    for page, block in _of_kind("console"):
        assert block.text.startswith("$ "), f"{page}, line {block.line + 1}"


def test_a_comment_that_speaks_like_a_reason_is_one() -> None:
    """So that a slip in its words does not make a command that cannot run fail only elsewhere."""
    for page, command in _COMMANDS:
        comment = command.text.partition(" #")[2]
        if re.search(r"\b(needs|takes)\b", comment):
            assert command.reason, f"{page}: {command.text}"


@pytest.mark.parametrize("kind", code_blocks.FILES)
def test_a_file_is_named_in_the_text_before_its_block(kind: str) -> None:
    for page, block in _of_kind(kind):
        if block.file:
            before = (code_blocks.ROOT / page).read_text("utf-8").splitlines()[: block.line]
            assert f"`{block.file}`" in "\n".join(before[-8:]), f"{page}: {block.file}"


@pytest.mark.parametrize(("page", "line"), _SHOWN)
def test_a_command_within_a_sentence_is_understood(page: str, line: str) -> None:
    _, name, *arguments = shlex.split(line)
    command = cli.trapbench.get_command(click.Context(cli.trapbench), name)
    if name in ("COMMAND", "--help") or "…" in arguments:
        return
    assert command is not None, page
    with contextlib.suppress(click.MissingParameter, click.BadOptionUsage):  # only named, not typed
        command.make_context(name, arguments)


def test_there_are_such_commands() -> None:
    assert len(_SHOWN) >= 15


def test_a_knob_that_is_set_within_a_sentence_exists() -> None:
    declared = {name: techniques.knobs(name) for name in techniques.names()}
    settings = [found for text in _TEXTS.values() for found in _SET.findall(text)]
    assert len(settings) > 10
    for name, value in settings:
        by_technique({name: value}, declared)
