"""Claims 5 and 8: memory virtualization, and the size of a VMM."""

from __future__ import annotations

import re

import pandas as pd

from results.claims.evidence import FIRST_WITH_EPT, Evidence, Finding, Verdict, untested

_SHADOWED = ("bt", "hvm-shadow", "trap-and-emulate")
_LOSS = 0.01
_CHASE = re.compile(r"memory/pointer-chase(@(?P<footprint>\d+[km]))?$")
_CHASE_DEFAULT = "1m"
_SHIFT = {"k": 10, "m": 20}


def shadow_upkeep(evidence: Evidence) -> Finding:
    """Claim 5: what EPT takes away of shadow paging's overhead, and where EPT loses."""
    common = evidence.common(FIRST_WITH_EPT, "hvm-shadow", "hvm-ept")
    if common.empty:
        return untested("needs workloads run under hvm-shadow and hvm-ept")
    table = evidence.ratios(FIRST_WITH_EPT).loc[common]
    overhead = table - 1
    heavy = overhead[overhead["hvm-shadow"] > 0.1]
    removed = 1 - heavy["hvm-ept"] / heavy["hvm-shadow"]
    lost = table[table["hvm-ept"] > table["hvm-shadow"] * (1 + _LOSS)]
    upkeep = evidence.component(FIRST_WITH_EPT, "shadow maintenance")
    numbers: dict[str, float | str] = {
        f"workloads on which {name} pays for shadow pages": int((upkeep[name] > 0).sum())
        for name in _SHADOWED
        if name in upkeep.columns
    }
    numbers["median share of hvm-shadow's overhead that EPT removes"] = round(
        float(removed.median()), 3
    )
    numbers["workloads on which hvm-ept is slower"] = len(lost)
    numbers |= _turn(table["hvm-ept"] / table["hvm-shadow"])
    worst = (lost["hvm-ept"] / lost["hvm-shadow"] - 1).sort_values(ascending=False)
    cells = tuple(f"{name}: hvm-ept slower by {share:.1%}" for name, share in worst.head(8).items())
    holds = bool(removed.median() > 0.5)
    return Finding(
        "holds" if holds else "does not hold",
        f"on {FIRST_WITH_EPT}, of {len(common)} workloads; EPT loses where TLB misses are many and "
        "page tables are quiet",
        numbers,
        cells,
    )


def _turn(relative: pd.Series) -> dict[str, float | str]:
    """Up to which footprint of the pointer chase hvm-ept keeps up, and from which it does not."""
    found = {}
    for name, value in relative.items():
        if match := _CHASE.match(str(name)):
            text = match["footprint"] or _CHASE_DEFAULT
            found[int(text[:-1]) << _SHIFT[text[-1]]] = (text, value > 1 + _LOSS)
    slower = [size for size, (_, lost) in found.items() if lost]
    if not slower:
        return {}
    first = min(slower)
    even = max((size for size in found if size < first), default=0)
    return {
        "pointer chase: largest footprint at which hvm-ept keeps up": found[even][0]
        if even
        else "none",
        "pointer chase: smallest footprint at which hvm-ept is slower": found[first][0],
    }


def vmm_size(evidence: Evidence) -> Finding:
    """Claim 8: source lines, instructions emulated, and entries, per technique."""
    present = [
        name for name in ("bt", "pv", "hvm-shadow", "hvm-ept") if name in evidence.techniques()
    ]
    if "hvm-ept" not in present or len(present) < 2:
        return untested("needs hvm-ept and another technique")
    common = evidence.common(FIRST_WITH_EPT, *present)
    numbers: dict[str, float | str] = {"workloads that all of them ran": len(common)}
    for name in present:
        numbers[f"{name}: source lines"] = evidence.code_lines.get(name, 0)
        numbers[f"{name}: instructions emulated"] = evidence.counter(name, "emulate", common)
        entries = sum(
            evidence.counter(name, counter, common) for counter in ("exits", "traps", "bt.callout")
        )
        numbers[f"{name}: entries into the VMM"] = entries
    smaller = [
        evidence.code_lines.get("hvm-ept", 0) < evidence.code_lines.get(name, 0)
        for name in present
        if name != "hvm-ept"
    ]
    verdict: Verdict = "holds" if all(smaller) else "depends" if any(smaller) else "does not hold"
    why = "source lines of a technique with all modules of techniques/ that it imports"
    return Finding(verdict, why, numbers)
