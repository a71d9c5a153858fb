"""A run small enough to be read here, with every kind of cell that a plot draws."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from results.cell import Cell
from results.manifest import Manifest
from results.reader import Stored
from results.run import Run
from results.schema import EXITS

TECHNIQUES = ("native", "bt", "pv", "hvm-shadow", "hvm-ept")

#: Counters by technique; every one of them has a cost.
COUNTERS: dict[str, dict[str, int]] = {
    "native": {"insn.alu": 1_000_000, "insn.load": 1000, "insn.syscall": 30},
    "bt": {
        "insn.alu": 1_000_000,
        "insn.syscall": 30,
        "bt.callout": 300,
        "bt.callout.emulate": 300,
        "mmu.spte_set": 90,
        "traps": 40,
        "trap.pf": 40,
    },
    "pv": {
        "insn.alu": 1_000_000,
        "insn.syscall": 30,
        "trap.syscall": 60,
        "hypercall.mmu_update": 60,
        "hypercall.entries": 60,
        "pv.mmu_update_entry": 80,
    },
    "hvm-shadow": {
        "insn.alu": 1_000_000,
        "insn.syscall": 30,
        "exits": 500,
        "exit.exception_nmi": 420,
        "exit.cr_access": 80,
        "mmu.spte_set": 90,
    },
    "hvm-ept": {
        "insn.alu": 1_000_000,
        "insn.syscall": 30,
        "exits": 5,
        "exit.hlt": 5,
        "walk.reference.ept.l1": 20,
    },
}
WALKS = {"hvm-ept": 5, "hvm-shadow": 1, "bt": 1, "pv": 1, "native": 1}
FOOTPRINTS = {"@64k": 65536, "": 1 << 20, "@16m": 1 << 24}


@pytest.fixture
def run() -> Run:
    """Five techniques on kernel/fork-wait@process and on the pointer chase in three footprints."""
    counters, runs = [], []
    for technique in TECHNIQUES:
        cell = Cell("kernel/fork-wait@process", "small", "emulated", "nehalem", technique)
        _add(counters, runs, cell, COUNTERS[technique])
        for variant, footprint in FOOTPRINTS.items():
            walks = WALKS[technique] * 1000 if footprint > 1 << 20 else 0
            chase = Cell(
                f"memory/pointer-chase{variant}", "small", "emulated", "nehalem", technique
            )
            counts = {"insn.load": 1000, "insn.alu": 9000, "walk.reference": walks}
            _add(counters, runs, chase, counts)
    parameters = {
        f"memory/pointer-chase{variant} small": {"footprint": footprint, "spacing": 4096}
        for variant, footprint in FOOTPRINTS.items()
    }
    manifest = Manifest(plan=(), finished=True, parameters=parameters)
    exits = pd.DataFrame(columns=list(EXITS.columns))
    stored = Stored(manifest, pd.DataFrame(counters), pd.DataFrame(runs), exits)
    return Run(Path("a-run"), stored)


def _add(counters: list, runs: list, cell: Cell, values: dict[str, int]) -> None:
    identity = {name: getattr(cell, name) for name in Cell.__dataclass_fields__}
    runs.append({**identity, "status": "ok", "reason": "", "expected": "ok"})
    for name, value in values.items():
        if value:
            counters.append({**identity, "scope": "roi", "counter": name, "value": value})
