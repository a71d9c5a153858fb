"""Claims 7 and 9: devices kept within their protection domains, and several VMs on one machine."""

from __future__ import annotations

import json

import pandas as pd

from results.cell import NATIVE
from results.claims.evidence import Evidence, Finding, untested
from results.finished import OK
from results.tables import circumstances

DMA, FAMILY = "isolation/dma", "isolation/"
_BY_PROCESSOR = ("foreign-frame", "into-vmm", "ring")
_BREACHES = ("isolation.breach.bytes", "isolation.breach.interrupts")
_RECORDS = ("vtd.fault", "refused")


def blocked_dma(evidence: Evidence) -> Finding:
    """Claim 7: each attack by a device with VT-d and without, by what the witnesses saw."""
    cells = _cells(evidence, DMA)
    protected, unprotected = cells[~cells["open"]], cells[cells["open"]]
    if protected.empty or unprotected.empty:
        return untested(
            "needs the workloads isolation/dma with and without VT-d, as the whole matrix has them: "
            "trapbench run --workload isolation, and again with --set protection=off"
        )
    stopped = protected[(protected["breach"] == 0) & (protected["faults"] > 0)]
    through = unprotected[unprotected["breach"] > 0]
    holds = len(stopped) == len(protected) and len(through) == len(unprotected)
    return Finding(
        "holds" if holds else "does not hold",
        f"of {len(protected)} attacks with the protection {len(stopped)} were blocked and recorded, "
        f"of {len(unprotected)} without it {len(through)} succeeded",
        {
            "techniques": int(protected["technique"].nunique()),
            "attacks": int(protected["workload"].nunique()),
            "blocked and recorded": len(stopped),
            "succeeded unprotected": len(through),
        },
        tuple(f"{r['technique']} × {r['workload']}" for r in protected.to_dict("records")),
    )


def several_machines(evidence: Evidence) -> Finding:
    """Claim 9: guests beside others end as they do alone, and reach none of the others' memory.

    They try by page tables and by rings of para-virtual devices, where the VMM checks those and where it does not.
    """
    runs = evidence.run.runs
    beside = runs[[_has(knobs, "beside") for knobs in runs["knobs"]]]
    attempts = pd.concat([_cells(evidence, f"{FAMILY}{name}") for name in _BY_PROCESSOR])
    open_ = attempts["open"].astype(bool)
    foreign, unprotected = attempts[~open_], attempts[open_]
    if beside.empty or foreign.empty:
        return untested(
            "needs cells that share their machine (trapbench run --beside TECHNIQUE:WORKLOAD) "
            "and the workloads isolation/foreign-frame, as the whole matrix has them"
        )
    same = int((beside["status"] == OK).sum())
    stopped = (foreign["breach"] == 0) & (foreign["faults"] > 0) & (foreign["status"] == OK)
    kept = int(stopped.sum())
    through = int((unprotected["breach"] > 0).sum())
    holds = same == len(beside) and kept == len(foreign) and through == len(unprotected)
    return Finding(
        "holds" if holds else "does not hold",
        f"{same} of {len(beside)} cells that shared their machine ended as natively, and so did "
        f"their neighbours; {kept} of {len(foreign)} attempts to map or have a back end reach another's frame "
        f"were refused and recorded, {through} of {len(unprotected)} without the protection succeeded",
        {
            "cells beside others": len(beside),
            "as native": same,
            "attempts stopped": kept,
            "succeeded unprotected": through,
        },
        tuple(
            f"{r['technique']} × {r['workload']}{circumstances(r['knobs'])}"
            for r in beside.to_dict("records")
        ),
    )


def _cells(evidence: Evidence, workload: str) -> pd.DataFrame:
    """Cells of a workload and its variants under VMMs: breaches and faults of each, `open` without protection."""
    runs = evidence.run.runs
    named = (runs["workload"] == workload) | runs["workload"].str.startswith(f"{workload}@")
    chosen = runs[named & (runs["technique"] != NATIVE)]
    chosen = chosen.assign(open=[_has(knobs, "protection") for knobs in chosen["knobs"]])
    key = ["workload", "size", "io", "geometry", "technique", "knobs"]
    counted = evidence.run.counters
    counted = counted[counted["scope"] == "total"]
    for column, names in (("breach", _BREACHES), ("faults", _RECORDS)):
        sums = counted[counted["counter"].isin(names)].groupby(key)["value"].sum().rename(column)
        chosen = chosen.merge(sums.reset_index(), on=key, how="left")
    return chosen.fillna({"breach": 0, "faults": 0})


def _has(knobs: str, name: str) -> bool:
    """Whether a cell differs from the default in this knob."""
    return name in json.loads(knobs)
