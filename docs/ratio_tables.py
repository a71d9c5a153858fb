"""Tables of cycles over native in pages: compared with the run that the page has made before.

`<!-- ratios: FOLDER PRESET:TECHNIQUE ... -->` stands before such a table. Its rows begin with a workload; the columns
behind it are those that the mark names, one after the other, with as many decimals as the page shows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_MARK = re.compile(r"<!-- ratios: (\S+) ([^>]+?) -->\n\n((?:\|.*\n)+)")
NONE = "–"


@dataclass(frozen=True, slots=True)
class RatioTable:
    """A table of a page: where it ends, the run's folder, (preset, technique) of each column, and the rows."""

    start: int
    end: int
    folder: Path
    columns: tuple[tuple[str, str], ...]
    rows: tuple[tuple[str, ...], ...]


def tables(text: str) -> Iterator[RatioTable]:
    """Every marked table of a page."""
    for found in _MARK.finditer(text):
        columns = tuple((p, t) for p, _, t in (name.partition(":") for name in found[2].split()))
        rows = tuple(
            tuple(cell.strip(" `") for cell in line.strip().strip("|").split("|"))
            for line in found[3].splitlines()[2:]
        )
        yield RatioTable(found.start(), found.end() - 1, Path(found[1]), columns, rows)


def complaint(table: RatioTable) -> str:
    """What the page says and the run does not; empty if they agree."""
    from results.run import Run

    run = Run.load(table.folder)
    presets = {preset for preset, _ in table.columns}
    ratios = {p: run.ratios(p).set_index(["workload", "technique"])["ratio"] for p in presets}
    wrong = []
    for workload, *cells in table.rows:
        if len(cells) != len(table.columns):
            return f"{workload}: {len(cells)} numbers for {len(table.columns)} columns"
        for (preset, technique), said in zip(table.columns, cells, strict=True):
            decimals = len(said.partition(".")[2])
            ratio = ratios[preset].get((workload, technique))
            is_now = NONE if ratio is None else f"{ratio:.{decimals}f}"
            if said != is_now:
                wrong.append(f"{workload}, {technique} on {preset}: {is_now}, not {said}")
    return "\n".join(wrong)
