"""The look of every plot: colours that colour-blind readers tell apart, and never colour alone.

The palette is that of M. Okabe and K. Ito, Color Universal Design (2008). Techniques have a marker
each, parts of a bar a hatch, lines a label at their end.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

from hardware_model.cost_table import COMPONENTS

BLACK, ORANGE, SKY, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
YELLOW, BLUE, VERMILION, PURPLE = "#F0E442", "#0072B2", "#D55E00", "#CC79A7"
GREY, FAINT = "#8C8C8C", "#EFEFEF"

#: Inches: the width of a page's text.
WIDTH = 7.2

SETTINGS: Any = {
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same on every machine
    "font.size": 8,
    "axes.titlesize": 8.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "axes.edgecolor": "#444444",
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "hatch.linewidth": 0.5,
    "legend.fontsize": 7.5,
    "legend.frameon": False,
    "lines.linewidth": 1.4,
    "lines.markersize": 5,
    "figure.facecolor": "white",
    "svg.hashsalt": "trapbench",
    "svg.fonttype": "none",
}
"""Settings of matplotlib, for its `rc_context`."""


@dataclass(frozen=True, slots=True)
class Mark:
    """How a technique is drawn."""

    colour: str
    marker: str
    dash: str


_MARKS: Mapping[str, Mark] = {
    "native": Mark(BLACK, "o", ":"),
    "trap-and-emulate": Mark(PURPLE, "X", (0, (1, 1))),  # type: ignore[arg-type]
    "bt": Mark(ORANGE, "s", "-"),
    "pv": Mark(GREEN, "D", "--"),
    "hvm-shadow": Mark(BLUE, "v", "-."),
    "hvm-ept": Mark(VERMILION, "^", "-"),
}
_OTHERS = (Mark(SKY, "P", "-"), Mark(GREY, "*", "--"), Mark(BLACK, "h", "-."))

_ORDER = tuple(_MARKS)

_FILLS: Mapping[str, tuple[str, str]] = {
    "guest work": ("#C8C8C8", ""),
    "transitions": (BLUE, ""),
    "VMM software": (SKY, "//"),
    "translation": (ORANGE, ""),
    "shadow maintenance": (VERMILION, ".."),
    "page walks": (GREEN, "\\\\"),
    "hypercalls": (PURPLE, ""),
    "interrupts": (YELLOW, "xx"),
    "I/O": (BLACK, ""),
    "DMA remapping": ("#FFFFFF", "++"),
    "IOTLB invalidation": ("#FFFFFF", "OO"),
}

COMPONENT_FILLS: Mapping[str, tuple[str, str]] = {
    component: _FILLS[component] for component in COMPONENTS
}
"""Colour and hatch of each component of the cycle stack."""


def technique_of(variant: str) -> str:
    """The technique of a variant, which is a technique's name and perhaps its knobs."""
    return variant.split(" ", 1)[0]


def mark(variant: str) -> Mark:
    """The colour, marker and dashes of a variant's technique."""
    name = technique_of(variant)
    return _MARKS.get(name) or _OTHERS[sum(map(ord, name)) % len(_OTHERS)]


def in_order(variants: Sequence[str]) -> list[str]:
    """Variants in the order in which techniques are always shown, native first."""
    rank = {name: place for place, name in enumerate(_ORDER)}
    return sorted(set(variants), key=lambda v: (rank.get(technique_of(v), len(rank)), v))


def figure(
    height: float, rows: int = 1, columns: int = 1, **shared: Any
) -> tuple[Figure, Sequence[Sequence[Axes]]]:
    """A figure of the page's width and `height` inches, and its axes by row and column."""
    made = Figure(figsize=(WIDTH, height), layout="constrained")
    axes = made.subplots(rows, columns, squeeze=False, **shared)
    return made, axes.tolist()


def technique_legend(made: Figure, variants: Sequence[str]) -> None:
    """One line above the axes that names every marker."""
    handles = [
        Line2D([], [], color=m.colour, marker=m.marker, linestyle="", markersize=5, label=v)
        for v, m in ((v, mark(v)) for v in in_order(variants))
    ]
    made.legend(handles=handles, loc="outside upper center", ncols=min(len(handles), 6))


def grid(axes: Axes, axis: str = "x") -> None:
    """Thin lines behind the data."""
    axes.grid(axis=axis, which="major", color="#DDDDDD", linewidth=0.6)  # type: ignore[arg-type]
    axes.set_axisbelow(True)


#: Ticks within a decade, by the axis's highest value over its lowest.
_STEPS: tuple[tuple[float, tuple[float, ...]], ...] = (
    (1.2, (1, 1.02, 1.04, 1.06, 1.08, 1.1, 1.12, 1.14, 1.16, 1.18, 9.6, 9.8)),
    (1.7, (1, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 8, 9)),
    (5, (1, 1.2, 1.5, 2, 3, 5, 7)),
    (200, (1, 2, 5)),
)


def plain_numbers(axes: Axes, axis: str) -> None:
    """Ticks of a logarithmic axis as 0.5, 1, 2, 1,000 instead of powers; limits must be set."""
    target = axes.xaxis if axis == "x" else axes.yaxis
    low, high = axes.get_xlim() if axis == "x" else axes.get_ylim()
    decades = high / low
    steps = next((found for below, found in _STEPS if decades < below), (1,))
    target.set_major_locator(LogLocator(10, steps))
    target.set_major_formatter(FuncFormatter(lambda value, _: number(value)))
    target.set_minor_locator(NullLocator() if steps != (1,) else LogLocator(10, (2, 5)))
    target.set_minor_formatter(NullFormatter())


def ratio(value: float) -> str:
    """A ratio to three digits, so that columns of them can be compared: 1.00, 15.3, 566; 0.0048."""
    if 0 < value < 0.1:
        return f"{value:.2g}"
    places = 2 if value < 10 else 1 if value < 100 else 0
    return f"{value:,.{places}f}"


def number(value: float) -> str:
    """A number as short as a label wants it: 0.42, 1.08, 15.3, 566, 12k, 3.4M."""
    for size, suffix in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= size:
            scaled = value / (1e3 if suffix == "k" else size)
            return f"{scaled:.3g}{suffix}"
    if abs(value) >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.3g}"
