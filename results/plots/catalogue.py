"""Every plot, in the order in which they are shown."""

from __future__ import annotations

from collections.abc import Iterator

from results.plots import (
    crossovers,
    cycle_stack,
    exits,
    generations,
    overhead,
    shadow_updates,
    validation,
    walk_references,
)
from results.plots.plot import Picture, Plot, pictures
from results.run import Run

PLOTS: tuple[Plot, ...] = (
    overhead.PLOT,
    cycle_stack.PLOT,
    generations.PLOT,
    crossovers.PLOT,
    shadow_updates.PLOT,
    walk_references.PLOT,
    exits.PLOT,
    validation.PLOT,
)


def all_pictures(run: Run, preset: str) -> Iterator[Picture]:
    """Every figure that the run has something to show on."""
    for plot in PLOTS:
        yield from pictures(plot, run, preset)
