"""Labels that stand at what they name, moved apart where they would overlap."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes


def spread(positions: Sequence[float], gap: float) -> list[float]:
    """The positions, moved as little as needed for neighbours to be at least `gap` apart."""
    order = np.argsort(positions, kind="stable")
    moved = np.array(positions, float)[order]
    for _ in range(200):
        lack = gap - np.diff(moved)
        if (lack <= 1e-9 * gap).all():
            break
        push = np.where(lack > 0, lack / 2, 0)
        moved[:-1] -= push
        moved[1:] += push
    answer = np.empty_like(moved)
    answer[order] = moved
    return [float(value) for value in answer]


def at_line_ends(axes: Axes, ends: Sequence[tuple[float, float, str, str]], gap: float) -> None:
    """Write labels right of the axes for the ends (x, y, text, colour) of lines; limits must be set.

    `gap` is the least distance of two labels as a share of the axes' height.
    """
    to_axes = axes.transData + axes.transAxes.inverted()
    points = [to_axes.transform((x, y)) for x, y, _, _ in ends]
    heights = spread([float(point[1]) for point in points], gap)
    for (_, _, text, colour), point, height in zip(ends, points, heights, strict=True):
        axes.annotate(
            text,
            (float(point[0]), float(point[1])),
            xytext=(1.03, height),
            xycoords="axes fraction",
            textcoords="axes fraction",
            color=colour,
            va="center",
            fontsize=7.5,
            annotation_clip=False,
            arrowprops={
                "arrowstyle": "-",
                "color": colour,
                "lw": 0.4,
                "shrinkA": 1,
                "shrinkB": 3,
                "relpos": (0, 0.5),
            },
        )


def together(
    ends: Sequence[tuple[float, float, str, str]], nearness: float
) -> list[tuple[float, float, str, str]]:
    """Ends that lie within `nearness` of each other in height, as one with all their names."""
    groups: list[list[tuple[float, float, str, str]]] = []
    for end in sorted(ends, key=lambda e: e[1]):
        if groups and end[1] - groups[-1][0][1] <= nearness:
            groups[-1].append(end)
        else:
            groups.append([end])
    return [_one(group) for group in groups]


def _one(group: list[tuple[float, float, str, str]]) -> tuple[float, float, str, str]:
    if len(group) == 1:
        return group[0]
    names = [name for _, _, name, _ in group]
    return group[0][0], group[0][1], "\n".join(names), "#444444"
