"""The table of system instructions as a page of the documentation."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from hardware_model import system_instructions
from hardware_model.system_instructions.row import SystemInstruction

PATH = "docs/sensitive-instructions.md"
"""Where the page lies in the repository."""

COMMAND = "python -m hardware_model.system_instructions"

Column = tuple[str, Callable[[SystemInstruction], str]]

_CRITICAL: tuple[Column, ...] = (
    ("instruction", lambda row: f"`{row.mnemonic}`"),
    ("why it is sensitive", lambda row: row.reason),
    ("what a kernel at CPL1 notices", lambda row: row.cpl1),
    ("probe", lambda row: ", ".join(row.differs)),
)
_LISTED: tuple[Column, ...] = (
    ("instruction", lambda row: f"`{row.mnemonic}`"),
    ("in 64-bit mode", lambda row: row.long_mode),
    ("at CPL1", lambda row: row.trap_and_emulate),
)
_ALL: tuple[Column, ...] = (
    ("instruction", lambda row: f"`{row.mnemonic}`"),
    ("opcode", lambda row: row.forms),
    ("may execute", lambda row: row.privilege),
    ("sensitive", lambda row: row.sensitivity if row.sensitive else "no"),
    ("exits by", lambda row: row.exit),
    ("exit reason", lambda row: row.exit_reason),
    ("cost key", lambda row: f"`{row.cost_key}`"),
)
_TECHNIQUES: tuple[Column, ...] = (
    ("instruction", lambda row: f"`{row.mnemonic}`"),
    ("trap-and-emulate", lambda row: row.trap_and_emulate),
    ("bt", lambda row: row.bt),
    ("pv", lambda row: row.pv),
    ("hvm", lambda row: row.hvm),
)


def page() -> str:
    """The whole page, Markdown, ending in a newline."""
    rows = system_instructions.SYSTEM_INSTRUCTIONS
    parts = [
        "# Sensitive instructions",
        f"Made by `{COMMAND}`; edit the table in `hardware_model/system_instructions/`, not this "
        f"page.",
        system_instructions.__doc__.split("\n\n", 1)[1].strip()
        if system_instructions.__doc__
        else "",
        "## Critical instructions",
        "Sensitive, yet without a trap below CPL0: trap-and-emulate differs from native on exactly "
        "these.",
        _table(_CRITICAL, system_instructions.critical()),
        "## The list of Robin and Irvine in 64-bit mode",
        _table(_LISTED, (row for row in rows if row.robin_irvine)),
        "## All system instructions",
        _table(_ALL, rows),
        "## What each technique does with them",
        "Natively each of them executes.",
        _table(_TECHNIQUES, rows),
    ]
    return "\n\n".join(parts) + "\n"


def _table(columns: Sequence[Column], rows: Iterable[SystemInstruction]) -> str:
    lines = [_line(title for title, _ in columns), _line("---" for _ in columns)]
    lines += [_line(cell(row) for _, cell in columns) for row in rows]
    return "\n".join(lines)


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
