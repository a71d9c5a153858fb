"""Figures as files, the same bytes for the same figure."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Literal

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from results import atomic
from results.plots import style

Format = Literal["png", "svg"]

#: Dots per inch of a PNG.
DPI = 150


def rendered(figure: Figure, format_: Format, dpi: int = DPI) -> bytes:
    """The figure as a file's content, without date and version."""
    buffer = io.BytesIO()
    metadata = {"Date": None, "Creator": None} if format_ == "svg" else {"Software": None}
    with matplotlib.rc_context(style.SETTINGS):
        FigureCanvasAgg(figure)
        figure.savefig(buffer, format=format_, metadata=metadata, dpi=dpi)
    return buffer.getvalue()


def save(figure: Figure, path: Path, format_: Format, dpi: int = DPI) -> None:
    """Write the figure to `path`; ResultsError when that cannot be."""
    content = rendered(figure, format_, dpi)

    def fill(temporary: Path) -> None:
        temporary.write_bytes(content)

    atomic.write(path, fill)
