"""What the benchmarks must show: declared bars, and the board that `make bench` prints at its end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

AT_LEAST, AT_MOST = "at least", "at most"


@dataclass(frozen=True, slots=True)
class Bar:
    """A measured `quantity`, and what it should be."""

    quantity: str
    sense: str
    aim: float
    unit: str

    def reached(self, value: float) -> bool:
        """Whether `value` is as it should be."""
        return value >= self.aim if self.sense == AT_LEAST else value <= self.aim


_SPEED = "x the bare engine"
BARS = {
    "alu": Bar("full accounting, ALU loop", AT_LEAST, 0.5, _SPEED),
    "stream": Bar("full accounting, memory streaming", AT_LEAST, 0.75, _SPEED),
    "pointer-chase": Bar("full accounting, pointer chase", AT_LEAST, 0.5, _SPEED),
    "branchy": Bar("full accounting, branches", AT_LEAST, 0.5, _SPEED),
    "call-return": Bar("full accounting, calls and returns", AT_LEAST, 0.5, _SPEED),
    "exit": Bar("exit handled in Python", AT_MOST, 10, "us"),
    "native event": Bar("event handled natively", AT_MOST, 1, "us"),
    "growth": Bar("exponent of growth", AT_MOST, 1.1, ""),
    "worker": Bar("memory of a worker", AT_MOST, 1.05, "x after 30"),
    "help": Bar("trapbench --help", AT_MOST, 0.3, "s"),
    "first cell": Bar("first cell, caches warm", AT_MOST, 1.5, "s"),
    "matrix": Bar("default matrix, two workers", AT_MOST, 60, "s"),
    "two workers": Bar("two workers", AT_LEAST, 1.8, "x one"),
    "costing": Bar("cell samples costed in a second", AT_LEAST, 1, "million"),
}
"""By key. A bar may be measured of several things, such as exits for several reasons."""


@dataclass(slots=True)
class Board:
    """Values measured in this session, by bar and what was measured."""

    values: dict[tuple[str, str], float] = field(default_factory=dict)
    comparisons: list[str] = field(default_factory=list)

    def measured(self, key: str, value: float, of: str = "") -> str:
        """Keep a value under the bar `key`; the line that says it."""
        self.values[key, of] = value
        return self._line(key, of, value)

    def compared(self, other: str, loop: str, ratio: float, theirs: float, ours: float) -> str:
        """Keep what one iteration of `loop` costs in an`other` simulator and here, in ns; the line that says it."""
        line = f"{other:<28} {loop:<14} {theirs:>10.2f} ns, full accounting here {ours:>8.2f} ns: x {ratio:.3g}"
        self.comparisons.append(line)
        return line

    @staticmethod
    def _line(key: str, of: str, value: float) -> str:
        bar = BARS[key]
        name = f"{bar.quantity}: {of}" if of else bar.quantity
        verdict = "reached" if bar.reached(value) else "MISSED"
        return f"{name:<58} {value:>8.3g} {bar.unit:<18} {bar.sense:<8} {bar.aim:>5g}  {verdict}"

    def lines(self) -> Iterator[str]:
        """Every value beside its bar, in the bars' order."""
        order = list(BARS)
        for (key, of), value in sorted(
            self.values.items(), key=lambda item: order.index(item[0][0])
        ):
            yield self._line(key, of, value)
