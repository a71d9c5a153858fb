"""What a plot is: a table made of a run, and a drawing made of that table."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import matplotlib
import pandas as pd
from matplotlib.figure import Figure

from results.plots import saving, style
from results.run import Run


@dataclass(frozen=True, slots=True)
class Plot:
    """One plot.

    `data` makes a table of a run and the name of a preset, with exactly `columns`; `draw` makes a
    figure of such a table. With `split`, there is one figure for each value of that column. Where a
    table has more than `most` values of `row`, it goes on in a further figure, so that each fits a
    printed page.
    `caption` says what the reader sees, `needs` what a run must hold for the table not to be empty.
    """

    name: str
    title: str
    caption: str
    needs: str
    columns: tuple[str, ...]
    data: Callable[[Run, str], pd.DataFrame]
    draw: Callable[[pd.DataFrame], Figure]
    split: str = ""
    most: int = 0


@dataclass(frozen=True, slots=True)
class Picture:
    """A drawn plot: the `name` of its file without an ending, its `title`, `caption` and `figure`."""

    name: str
    title: str
    caption: str
    figure: Figure

    def _repr_png_(self) -> bytes:
        """What a notebook shows."""
        return saving.rendered(self.figure, "png", dpi=100)


def pictures(plot: Plot, run: Run, preset: str) -> Iterator[Picture]:
    """The figures of a plot; none when the run holds nothing to draw."""
    table = plot.data(run, preset)[list(plot.columns)]
    if table.empty:
        return
    parts = table.groupby(plot.split, sort=True, observed=True) if plot.split else [("", table)]
    for value, part in parts:
        of_part = str(value)
        name = f"{plot.name}-{_file_name(of_part)}" if of_part else plot.name
        title = f"{plot.title}: {of_part}" if of_part else plot.title
        pages = _pages(plot, part)
        for number, page in enumerate(pages, 1):
            figure = drawn(plot, page.reset_index(drop=True))
            place = f" ({number} of {len(pages)})" if len(pages) > 1 else ""
            again = f"-{number}" if number > 1 else ""
            yield Picture(f"{name}{again}", f"{title}{place}", plot.caption, figure)


def _pages(plot: Plot, table: pd.DataFrame) -> list[pd.DataFrame]:
    """The table in parts of about as many rows each, in the order in which it names them."""
    names = list(dict.fromkeys(table["row"])) if plot.most else []
    if len(names) <= plot.most:
        return [table]
    count = -(-len(names) // plot.most)
    length = -(-len(names) // count)
    starts = range(0, len(names), length)
    return [table[table["row"].isin(names[start : start + length])] for start in starts]


def _file_name(value: str) -> str:
    """Letters, digits and dashes only: a variant's knobs hold other characters."""
    return re.sub(r"[^a-z0-9.]+", "-", value.lower()).strip("-")


def drawn(plot: Plot, table: pd.DataFrame) -> Figure:
    """The figure of a table of the plot's columns, in the house style."""
    with matplotlib.rc_context(style.SETTINGS):
        return plot.draw(table)
