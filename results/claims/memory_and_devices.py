"""Claims 5 and 8: memory virtualization, and the size of a VMM."""

from __future__ import annotations

import re

import pandas as pd

from results.claims.evidence import FIRST_WITH_EPT, Evidence, Finding, Verdict, untested
from results.tables import ENTRIES_INTO_VMM, is_reason

_SHADOWED = ("bt", "hvm-shadow", "trap-and-emulate")
_LOSS = 0.01
_NOTICEABLE = 0.1
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
    upkeep = evidence.component(FIRST_WITH_EPT, "shadow maintenance")
    paying = upkeep["hvm-shadow"].reindex(common) > _NOTICEABLE
    heavy = overhead[paying & (overhead["hvm-shadow"] > _NOTICEABLE)]
    removed = 1 - heavy["hvm-ept"] / heavy["hvm-shadow"]
    lost = table[table["hvm-ept"] > table["hvm-shadow"] * (1 + _LOSS)]
    numbers: dict[str, float | str] = {
        f"workloads on which {name} pays for shadow pages": int((upkeep[name] > 0).sum())
        for name in _SHADOWED
        if name in upkeep.columns
    }
    numbers["workloads on which shadow pages take more than a tenth of native's time"] = len(heavy)
    numbers["median share of hvm-shadow's overhead on them that EPT removes"] = round(
        float(removed.median()), 3
    )
    numbers["workloads on which hvm-ept is slower"] = len(lost)
    numbers |= _turn(table["hvm-ept"] / table["hvm-shadow"])
    worst = (lost["hvm-ept"] / lost["hvm-shadow"] - 1).sort_values(ascending=False)
    cells = [f"{name}: hvm-ept slower by {share:.1%}" for name, share in worst.head(8).items()]
    cells += [
        f"{name}: {row['hvm-shadow']:.2f} × native with shadow pages, {row['hvm-ept']:.2f} × with EPT"
        for name, row in table.loc[removed.sort_values().index[::-1][:5]].to_dict("index").items()
    ]
    if heavy.empty:
        return untested("needs a workload on which hvm-shadow pays for shadow pages")
    holds = bool(removed.median() > 0.5)
    return Finding(
        "holds" if holds else "does not hold",
        f"on {FIRST_WITH_EPT}, of {len(common)} workloads; EPT loses where TLB misses are many and "
        "page tables are quiet",
        numbers,
        tuple(cells),
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
    """Claim 8: source lines, instructions emulated, paths entered and entries, per technique."""
    present = [
        name for name in ("bt", "pv", "hvm-shadow", "hvm-ept") if name in evidence.techniques()
    ]
    if "hvm-ept" not in present or len(present) < 2:
        return untested("needs hvm-ept and another technique")
    common = evidence.common(FIRST_WITH_EPT, *present)
    sizes = {name: _measures(evidence, name, common) for name in present}
    numbers: dict[str, float | str] = {"workloads that all of them ran": len(common)}
    for name, measures in sizes.items():
        numbers |= {f"{name}: {measure}": value for measure, value in measures.items()}
    larger = [
        f"{name} has fewer {measure}"
        for name, measures in sizes.items()
        for measure, value in measures.items()
        if value < sizes["hvm-ept"][measure]
    ]
    verdict: Verdict = "depends" if larger else "holds"
    if len(larger) >= len(_MEASURES) * (len(present) - 1):
        verdict = "does not hold"
    why = "against hvm-ept, " + (
        ", ".join(larger) or "every other technique has more of everything"
    )
    return Finding(verdict, why, numbers, tuple(common))


_MEASURES = ("source lines", "instructions emulated", "paths", "entries into the VMM")


def _measures(evidence: Evidence, technique: str, workloads: pd.Index) -> dict[str, int]:
    """Source lines with all modules of techniques/ that are imported; paths: reasons for an entry that occurred."""
    counted = evidence.counted(technique, workloads)
    values = (
        evidence.code_lines.get(technique, 0),
        counted.get("emulate", 0),
        sum(map(is_reason, counted)),
        sum(counted.get(name, 0) for name in ENTRIES_INTO_VMM),
    )
    return dict(zip(_MEASURES, values, strict=True))
