"""Each chapter begins with its question, shows the mechanism by a command that runs, and points at files that exist."""

from __future__ import annotations

import re
from pathlib import Path

import code_blocks
import pytest

_DOCS = code_blocks.ROOT / "docs"
_MECHANISMS = {
    "1-privilege": "Privilege and sensitive instructions",
    "2-binary-translation": "Binary translation",
    "3-para-virtualization": "Para-virtualization",
    "4-vt-x": "VT-x",
    "5-shadow-paging-and-ept": "Shadow paging and EPT",
    "6-vt-d": "VT-d and several VMs",
    "7-virtual-time": "Virtual time and determinism",
    "8-cycles": "From counters to cycles",
}
_LIKE_THEM = (
    *("io-models", "linux", "generations", "calibration", "validation", "compare-host"),
    *("first-hour", "decide", "large-runs"),
)
_PAGES = [_DOCS / "mechanisms" / f"{name}.md" for name in _MECHANISMS]
_PAGES += [_DOCS / f"{name}.md" for name in _LIKE_THEM]
_EXTENDING = sorted((_DOCS / "extending").glob("*.md"))
_TOPS = "hardware_model|techniques|workloads|results|trapbench|tests|docs|notebooks|benchmarks"
_PATH = re.compile(rf"`((?:{_TOPS})/[][\w./*-]*)`")
_FILE = re.compile(r"`([\w/*-]+\.(?:py|asm|csv|toml|md))`")
_LINK = re.compile(r"\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)")


def _paragraphs(page: Path) -> list[str]:
    return page.read_text("utf-8").split("\n\n")


def test_there_is_a_chapter_for_each_mechanism() -> None:
    found = {p.stem: _paragraphs(p)[0] for p in sorted((_DOCS / "mechanisms").glob("*.md"))}
    assert found == {name: f"# {title}" for name, title in _MECHANISMS.items()}


@pytest.mark.parametrize("page", _PAGES + _EXTENDING, ids=lambda page: page.stem)
def test_a_chapter_begins_with_its_question(page: Path) -> None:
    if page.stem == "workload":
        page = code_blocks.ROOT / "workloads" / "README.md"
    question = " ".join(_paragraphs(page)[1].split())
    assert question.startswith("*") and question.endswith("*"), question
    assert "?" in question, question


@pytest.mark.parametrize("page", _PAGES, ids=lambda page: page.stem)
def test_a_chapter_shows_its_mechanism_by_a_command_that_runs(page: Path) -> None:
    blocks = [b for b in code_blocks.blocks(page.read_text("utf-8")) if b.kind == "console"]
    shown = [command for block in blocks for command in code_blocks.commands(block.text)]
    run = [command.text for command in shown if command.reason in ("", "needs a kernel")]
    assert any(re.match(r"trapbench (run|show|trace|validate|compare-host) ", c) for c in run)


@pytest.mark.parametrize("page", _PAGES[:8] + _PAGES[9:14], ids=lambda page: page.stem)
def test_a_chapter_says_where_its_mechanism_is(page: Path) -> None:
    last = page.read_text("utf-8").rpartition("**Where it is.**")
    assert last[1], "no paragraph `Where it is.`"
    assert _PATH.findall(last[2]), last[2]


@pytest.mark.parametrize("page", code_blocks.pages(), ids=lambda p: f"{p.parent.name}-{p.stem}")
def test_every_file_and_page_that_is_named_exists(page: Path) -> None:
    text = page.read_text("utf-8")
    missing = [path for path in _PATH.findall(text) if not _exists(path)]
    missing += [path for path in _LINK.findall(text) if not _leads(page, path)]
    assert not missing, missing


def _exists(path: str) -> bool:
    return any(code_blocks.ROOT.glob(path.rstrip("/")))


def _leads(page: Path, link: str) -> bool:
    """A page's link, to a file or to a reference page, which is made when the site is."""
    return (page.parent / link).exists() or "reference/" in link


@pytest.mark.parametrize("page", _PAGES, ids=lambda page: page.stem)
def test_every_module_that_is_named_without_its_folder_exists(page: Path) -> None:
    """As in "`techniques/hvm/`: with one handler for each exit reason in `exit_handlers.py`"."""
    text = page.read_text("utf-8")
    blocks = code_blocks.blocks(text)
    ours = {block.file for block in blocks}
    named = {name for name in _FILE.findall(text) if not re.match(rf"(?:{_TOPS})/", name)} - ours
    missing = [name for name in named if not any(_tree(name))]
    assert not missing, missing


def _tree(name: str) -> list[Path]:
    tops = (code_blocks.ROOT / top for top in _TOPS.split("|"))
    return [path for top in tops for path in top.rglob(name)]
