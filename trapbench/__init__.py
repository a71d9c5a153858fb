"""One x86-64 guest, one modelled machine, several virtualization techniques, every trap counted.

    import trapbench
    run = trapbench.run(techniques=["hvm-ept"], workloads=["nano"])
    run.runs, run.counters, run.exits, run.ratios("nehalem")

`Run.load(folder)` reads a result folder back.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from results.cell import Cell
    from results.run import Run
    from trapbench.api import run

__all__ = ["Cell", "Run", "run"]

# Loaded on first use: `trapbench --help` must not wait for pandas.
_HOMES = {"Cell": "results.cell", "Run": "results.run", "run": "trapbench.api"}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'trapbench' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
