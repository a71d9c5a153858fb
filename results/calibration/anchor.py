"""Path lengths of VMM software, from Adams and Agesen's measurements of one VMM on the anchor.

Seven costs from seven rows, each solved in the order of the table in docs/calibration.md. Other cores
run the same paths at their `software` ratio.
"""

from __future__ import annotations

from collections.abc import Mapping

from results.calibration.cores import Core
from results.calibration.figures import Figure
from results.calibration.observed import Observed, solve
from results.calibration.rules import Costs, carried, quantity

_ROWS: Mapping[str, tuple[str, str]] = {
    "trap": ("rdtsc trap-and-emulate", "bt"),
    "callout": ("rdtsc callout-and-emulate", "bt"),
    "in cache": ("rdtsc in-TC emulation", "bt"),
    "translator": ("translator cost", "bt"),
    "traced": ("nanobench ptemod unchanged", "bt"),
    "fault": ("nanobench divzero", "native"),
    "ptemod": ("nanobench ptemod unchanged", "hvm-shadow"),
    "ptemod native": ("nanobench ptemod unchanged", "native"),
    "in": ("nanobench in (port 0x80)", "hvm-shadow"),
    "in native": ("nanobench in (port 0x80)", "native"),
    "callret": ("nanobench call/ret pair", "native"),
}
SOLVED = (
    ("shadow.pte_write", "nano/ptemod-unchanged", "insn.store", "traced", "ptemod native"),
    ("vmm.exit_dispatch", "nano/ptemod-unchanged", "insn.store", "ptemod", "ptemod native"),
    ("vmm.exit_port", "nano/in", "insn.in", "in", "in native"),
)
"""In this order: the cost solved for, the workload, its operation, its row, and its native row."""
_EARLY_VTX_SOFTWARE = ("vmm.exit_dispatch", "vmm.exit_port")
"""Solved from a VMM of 2006, months after VT-x appeared; later ones handle exits in leaner code."""
_LEAN = (0.25, 1.5)
"""A leaner VMM than that of 2006 may need a quarter of the cycles."""


def software(core: Core, lengths: Mapping[str, Figure]) -> Costs:
    """The anchor's path lengths on a core; those of early VT-x software only where VT-x is early."""
    return {
        key: carried(core, figure, 1.0, core.software, "software", _LEAN)
        for key, figure in lengths.items()
        if core.names.early_vtx or key not in _EARLY_VTX_SOFTWARE
    }


def from_rows(anchor: Core) -> dict[str, Figure]:
    """The path lengths that are differences of rows."""
    row = {
        name: anchor.figures.find("ADAMS06", "NetBurst Prescott-2M", *key)
        for name, key in _ROWS.items()
    }
    emulate = row["callout"].value - row["in cache"].value
    callout = row["in cache"].value
    return {
        "vmm.emulate": Figure(
            emulate, f"{row['callout'].citation} less in-TC emulation {callout:g}"
        ),
        "bt.callout": row["in cache"],
        "bt.translate": row["translator"],
        "vmm.trap_dispatch": Figure(
            row["trap"].value - row["fault"].value - emulate,
            f"{row['trap'].citation} less divzero {row['fault'].value:g} and vmm.emulate",
        ),
    }


def from_counts(anchor: Core, observed: Observed, known: Mapping[str, float]) -> dict[str, Figure]:
    """The path lengths that are what remains of a row when all counted events are paid for.

    `known` has every cost of the anchor in cycles; those solved for are replaced in turn.
    """
    costs = dict(known)
    found: dict[str, Figure] = {}
    for key, workload, operation, name, base in SOLVED:
        row = anchor.figures.find("ADAMS06", "NetBurst Prescott-2M", *_ROWS[name])
        native = anchor.figures.find("ADAMS06", "NetBurst Prescott-2M", *_ROWS[base])
        amounts = observed.per_operation(workload, _ROWS[name][1], operation)
        amounts = amounts - observed.per_operation(workload, "native", operation)
        costs[key] = solve(key, row.value - native.value, amounts, costs)
        citation = f"{row.citation} less native {native.value:g} and every other event counted"
        found[key] = Figure(costs[key], citation)
    return found


def calls(anchor: Core, observed: Observed, known: Mapping[str, float]) -> Costs:
    """CALL and RET of the anchor, alike, from the pair."""
    row = anchor.figures.find("ADAMS06", "NetBurst Prescott-2M", *_ROWS["callret"])
    amounts = observed.per_operation("nano/callret", "native", "insn.call")
    pair = solve("insn.call", row.value, amounts, {**known, "insn.ret": 0.0})
    half = quantity(pair / 2, pair / 4, pair, "calibrated", f"{row.citation} less the loop; halved")
    return {"insn.call": half, "insn.ret": half}
