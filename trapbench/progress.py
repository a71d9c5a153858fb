"""Progress of a run on standard error, when that is a terminal; silence otherwise."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from hardware_model.executor import build
from results.finished import FAILED, SKIPPED, Finished
from results.planned import Planned

_FIRST_RUN = "the first run compiles the model, once: about a minute"


def watch(missing: Sequence[Planned], finished: Iterator[Finished]) -> Iterator[Finished]:
    """Pass finished cells through, showing how many of the missing ones have finished."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield from finished
        return
    seen: Counter[str] = Counter()
    with _bar(console) as bar:
        first = "" if build.compiled() else _FIRST_RUN
        task = bar.add_task("cells", total=len(missing), note=first)
        for cell in finished:
            seen[cell.status] += 1
            bar.update(task, advance=1, note=_note(seen, cell))
            yield cell


def _bar(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[note]}"),
        console=console,
        transient=True,
    )


def _note(seen: Counter[str], cell: Finished) -> str:
    troubles = [f"{seen[status]} {status}" for status in (FAILED, SKIPPED) if seen[status]]
    return ", ".join([*troubles, f"{cell.cell.technique} {cell.cell.workload}"])
