"""Tables for people: fitted to a terminal, never cut short when piped."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

#: Columns for output that no terminal limits.
_PIPED_WIDTH = 1000

Content = str | Text


def console() -> Console:
    """A console on standard output; wide and without colour when it is piped."""
    return Console(width=None if sys.stdout.isatty() else _PIPED_WIDTH, highlight=False)


def print_table(
    title: str, columns: Sequence[str], rows: Iterable[Sequence[Content]], *, left: int = 1
) -> None:
    """Print a table whose first `left` columns are texts and whose others are numbers."""
    output = console()
    if title:
        output.print(title, style="italic", soft_wrap=True)
    output.print(_table(columns, rows, left))


def _table(columns: Sequence[str], rows: Iterable[Sequence[Content]], left: int) -> Table:
    made = Table(header_style="bold", box=None)
    for index, name in enumerate(columns):
        made.add_column(
            name,
            justify="left" if index < left else "right",
            overflow="fold",
            no_wrap=index >= left,
        )
    for row in rows:
        made.add_row(*row)
    return made
