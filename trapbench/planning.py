"""From selected cells to a plan: content keys, expectations, native cells to compare with."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

import techniques
import workloads
from hardware_model import presets
from results.cell import Cell
from results.finished import OK
from results.planned import Planned
from techniques.isolation import ATTACKS, VICTIM
from techniques.several.beside import BESIDE, neighbours
from trapbench.content_key import content_key
from trapbench.errors import unknown
from trapbench.selection import Selection


def plan(selection: Selection) -> list[Planned]:
    """The plan of a selection; native cells that it leaves out are added as auxiliary."""
    selected = dict(selection.cells())
    baselines = {cell.baseline: source for cell, source in selected.items()}
    everything = {**baselines, **selected}
    ordered = sorted(everything.items(), key=lambda item: item[0])
    return [
        plan_cell(cell, source, selection.budget, auxiliary=cell not in selected)
        for cell, source in ordered
    ]


def renew(planned: Iterable[Planned]) -> list[Planned]:
    """An earlier plan with the keys and expectations of the sources as they are now."""
    return [plan_cell(p.cell, p.source, p.budget, auxiliary=p.auxiliary) for p in planned]


def plan_cell(cell: Cell, source: str, budget: int | None, *, auxiliary: bool) -> Planned:
    """One planned cell; raises the workloads package's errors when its source is gone or broken."""
    if cell.technique not in techniques.names():
        raise unknown("technique", cell.technique, techniques.names())
    workload = workloads.find(source)
    key = content_key(cell, _binaries(cell, workload), _geometry_digest(cell.geometry), budget)
    expected = workload.expect.get(cell.technique, OK)
    return Planned(cell, key, source, expected, auxiliary, budget)


def _binaries(cell: Cell, workload: workloads.Workload | workloads.LinuxWorkload) -> str:
    """The digests of what runs on the cell's machine: its workload, VMs beside it, an attack's victim."""
    others = [n.workload for n in neighbours(str(cell.knob_values.get(BESIDE.name, "")))]
    if workload.name in ATTACKS:
        others.append(VICTIM)
    return " ".join([workload.digest, *(workloads.find(name).digest for name in others)])


@cache
def _geometry_digest(geometry: str) -> str:
    return presets.geometry_digest(geometry)
