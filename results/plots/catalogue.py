"""Every plot, in the order in which they are shown."""

from __future__ import annotations

from collections.abc import Iterator

from hardware_model.presets import DEFAULT
from results.errors import ResultsError
from results.plots import (
    crossovers,
    cycle_stack,
    exits,
    generations,
    io_models,
    isolation,
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
    io_models.PLOT,
    isolation.PLOT,
    exits.PLOT,
    validation.PLOT,
)


def picture(run: Run, name: str, preset: str = DEFAULT) -> Picture:
    """The picture of that name, such as `overhead-kernel`; ResultsError when the run has none."""
    chosen = [plot for plot in PLOTS if name == plot.name or name.startswith(f"{plot.name}-")]
    found = [p for plot in chosen for p in pictures(plot, run, preset) if p.name == name]
    if not found:
        needs = f"; it needs {chosen[0].needs}" if chosen else ""
        raise ResultsError(f"the run has no picture {name}{needs}")
    return found[0]


def all_pictures(run: Run, preset: str) -> Iterator[Picture]:
    """Every figure that the run has something to show on."""
    for plot in PLOTS:
        yield from pictures(plot, run, preset)
