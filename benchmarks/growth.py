"""How host time grows with a size: the exponent that fits, and the pictures of `make bench`."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes

from results.plots import saving, style

PICTURE = Path("build") / "benchmarks" / "scale.png"
_FLAT = 3
_ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Curve:
    """Host `seconds` at `sizes`, in increasing order, of one `label` in the panel `axis` of the picture."""

    axis: str
    label: str
    sizes: tuple[float, ...]
    seconds: tuple[float, ...]

    @property
    def exponent(self) -> float:
        """p of seconds = a + b * size**p with a, b >= 0, fitted to relative errors: 1 is linear, less is better.

        `a` is what a run costs whatever its size. Where the time grows less than threefold, p is the slope of the
        logarithms, for a fit could not tell a from b.
        """
        x, y = np.array(self.sizes) / self.sizes[0], np.array(self.seconds)
        if y.max() < _FLAT * y.min():
            return float(np.polyfit(np.log(x), np.log(y), 1)[0])
        powers = np.arange(0.02, 2.5, 0.01)
        return float(min(powers, key=lambda p: _misfit(x**p, y)))

    @property
    def each(self) -> float:
        """Seconds for one more of a size, between the two largest."""
        return (self.seconds[-1] - self.seconds[-2]) / (self.sizes[-1] - self.sizes[-2])


def _misfit(power: np.ndarray, y: np.ndarray) -> float:
    columns = np.stack([1 / y, power / y], axis=1)
    target = np.ones_like(y)
    found = np.linalg.lstsq(columns, target, rcond=None)[0]
    if found[0] < 0:
        found = np.array([0.0, columns[:, 1] @ target / (columns[:, 1] @ columns[:, 1])])
    return float(((columns @ found - target) ** 2).sum())


def processor_seconds(actions: Sequence[Callable[[], object]]) -> tuple[float, ...]:
    """Least processor time of each action in a few rounds, interleaved: what else the host does concerns all.

    Before each, what the one before has left is freed, and a run of the first has the processor's caches as warm as the
    other sizes find them.
    """
    least = [float("inf")] * len(actions)
    for _ in range(_ROUNDS):
        for number, action in enumerate(actions):
            gc.collect()
            actions[0]()
            begin = time.process_time()
            action()
            least[number] = min(least[number], time.process_time() - begin)
    return tuple(least)


@dataclass(slots=True)
class Growth:
    """The curves of a session."""

    curves: list[Curve] = field(default_factory=list)

    def draw(self, path: Path = PICTURE) -> Path:
        """All curves as a picture, a panel for each axis; a dotted line shows linear growth."""
        with matplotlib.rc_context(style.SETTINGS):
            axes = list(dict.fromkeys(curve.axis for curve in self.curves))
            figure, panels = style.figure(2.2 * len(axes), len(axes))
            for name, (panel,) in zip(axes, panels, strict=True):
                _panel(panel, name, [curve for curve in self.curves if curve.axis == name])
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(saving.rendered(figure, "png"))
        return path


def _panel(panel: Axes, name: str, curves: list[Curve]) -> None:
    for curve in curves:
        mark = style.mark(curve.label)
        panel.plot(
            curve.sizes,
            curve.seconds,
            color=mark.colour,
            marker=mark.marker,
            linestyle=mark.dash,
            label=f"{curve.label} ({curve.exponent:.2f})",
        )
    low, high = min(c.sizes[0] for c in curves), max(c.sizes[-1] for c in curves)
    bottom, top = min(min(c.seconds) for c in curves), max(max(c.seconds) for c in curves)
    steep = -1 if all(c.seconds[-1] < c.seconds[0] for c in curves) else 1  # workers share the time
    first = top if steep < 0 else top * low / high
    linear = {"color": style.GREY, "linestyle": ":", "label": f"linear ({steep})"}
    panel.plot([low, high], [first, first * (high / low) ** steep], **linear)
    panel.set_xscale("log")
    panel.set_yscale("log")
    panel.set_xlim(low / 1.3, high * 1.3)
    panel.set_ylim(bottom / 1.5, top * 1.5)
    style.plain_numbers(panel, "x")
    style.plain_numbers(panel, "y")
    style.grid(panel, "both")
    panel.set_title(f"Host time by {name}")
    panel.set_xlabel(name)
    panel.set_ylabel("seconds")
    panel.legend(loc="upper left", bbox_to_anchor=(1.01, 1), handlelength=2.6)
