"""Claims 1 to 4: sensitive instructions, and which technique is fastest when."""

from __future__ import annotations

import pandas as pd

from hardware_model.system_instructions import SYSTEM_INSTRUCTIONS
from results.cell import NATIVE
from results.claims.evidence import (
    FIRST,
    FIRST_WITH_EPT,
    GENERATIONS,
    LAST,
    Evidence,
    Finding,
    Verdict,
    untested,
)
from results.finished import DIVERGED, OK

_TIE = 0.02
_NEAR_NATIVE = 1.25
_FORK = "kernel/fork-wait"
_OF_PROGRAMS = {"insn.syscall", "insn.int_n", "insn.int3"}
"""By these a program enters its kernel."""


def virtualizable(evidence: Evidence) -> Finding:
    """Claim 1: on the probes, trap-and-emulate diverges and bt does not."""
    alone = evidence.status("trap-and-emulate", "sensitive")
    translated = evidence.status("bt", "sensitive")
    if alone.empty or translated.empty:
        return untested("needs cells of the family sensitive under trap-and-emulate and bt")
    wrong = int((alone["status"] == DIVERGED).sum())
    right = int((translated["status"] == OK).sum())
    holds = wrong > 0 and right == len(translated)
    return Finding(
        "holds" if holds else "does not hold",
        f"trap-and-emulate diverges on {wrong} of {len(alone)} probes; "
        f"bt runs {right} of {len(translated)} as native does",
        {"trap-and-emulate diverged": wrong, "bt equivalent": right},
        _names(pd.concat([alone, translated])),
    )


def translation_against_hardware(evidence: Evidence) -> Finding:
    """Claim 2: on which workloads bt is slower than hardware assistance, by generation."""
    numbers: dict[str, float | str] = {}
    cells: list[str] = []
    outcomes = set()
    for preset in GENERATIONS:
        hardware = _best_hardware(evidence, preset)
        common = evidence.common(preset, "bt", hardware)
        if common.empty:
            continue
        table = evidence.ratios(preset).loc[common]
        relative = table["bt"] / table[hardware]
        faster = relative[relative < 1 - _TIE]
        slower = relative[relative > 1 + _TIE]
        outcomes |= {"bt"} if len(faster) else set()
        outcomes |= {"hardware"} if len(slower) else set()
        numbers[f"{preset}: bt faster than {hardware}"] = f"{len(faster)} of {len(common)}"
        if preset in (FIRST, FIRST_WITH_EPT):
            cells += [f"{preset}: bt × {name}" for name in faster.sort_values().index[:5]]
    if not numbers:
        return untested("needs workloads run under bt and under hardware assistance")
    verdict: Verdict = (
        "depends" if len(outcomes) == 2 else "holds" if "hardware" in outcomes else "does not hold"
    )
    why = "whether translation or exits cost more depends on the workload and on the generation"
    return Finding(verdict, why, numbers, tuple(cells))


def para_virtualization(evidence: Evidence) -> Finding:
    """Claim 3: sensitive instructions left in the ported guest, and where pv has the fewest cycles.

    Techniques within 2 % of the best share the first place.
    """
    numbers: dict[str, float | str] = {}
    cells: list[str] = []
    shares = []
    for preset in (FIRST, FIRST_WITH_EPT, LAST):
        hardware = _best_hardware(evidence, preset)
        common = evidence.common(preset, "pv", "bt", hardware)
        if common.empty:
            continue
        table = evidence.ratios(preset).loc[common]
        relative = table["pv"] / table[["bt", hardware]].min(axis=1)
        shares.append(float((relative <= 1 + _TIE).mean()))
        numbers[f"{preset}: pv best of pv, bt, {hardware}, or level"] = (
            f"{shares[-1]:.0%} of {len(common)}, alone {(relative < 1 - _TIE).mean():.0%}"
        )
        if preset in (FIRST, LAST):
            furthest = relative.sort_values().index
            cells += [
                f"{preset}: pv × {n}: {relative[n]:.2f} × the next best" for n in furthest[:4]
            ]
            cells += [f"{preset}: pv × {n}: {relative[n]:.2f} × the best" for n in furthest[:-5:-1]]
        if preset == FIRST_WITH_EPT:
            numbers |= _sensitive_instructions(evidence, common)
    if not shares:
        return untested("needs workloads run under pv, bt and hardware assistance")
    most = [share > 0.5 for share in shares]
    verdict: Verdict = "holds" if all(most) else "depends" if any(most) else "does not hold"
    why = (
        "the ported guest executes next to no sensitive instruction; pv is best in the shares of "
        "workloads below, by generation"
    )
    return Finding(verdict, why, numbers, tuple(cells))


def _sensitive_instructions(evidence: Evidence, workloads: pd.Index) -> dict[str, float | str]:
    """Executed by the native kernel, and by the ported one, emulated ones included."""
    keys = {f"insn.{row.cost_key}" for row in SYSTEM_INSTRUCTIONS if row.sensitive} - _OF_PROGRAMS
    found: dict[str, float | str] = {}
    for technique in (NATIVE, "pv"):
        counted = evidence.counted(technique, workloads)
        executed = sum(counted.get(key, 0) for key in keys) + counted.get("trap.emulated", 0)
        found[f"sensitive instructions, {technique}"] = executed
    return found


def generations(evidence: Evidence) -> Finding:
    """Claim 4: early hardware assistance loses, late hardware assistance approaches native."""
    needed = {"hvm-shadow", "hvm-ept"} & evidence.techniques()
    rivals = sorted({"bt", "pv"} & evidence.techniques())
    if len(needed) < 2 or not rivals:
        return untested("needs hvm-shadow, hvm-ept, and bt or pv, on the same workloads")
    common = evidence.common(FIRST_WITH_EPT, "hvm-shadow", "hvm-ept", *rivals)
    kernel = common[common.str.startswith(("kernel/", "linux/"))]
    if kernel.empty:
        return untested("needs a workload of the family kernel under all techniques compared")
    numbers: dict[str, float | str] = {}
    for preset in GENERATIONS:
        hardware = _best_hardware(evidence, preset)
        for technique in (hardware, *rivals):
            numbers[f"{preset}: {technique}"] = round(evidence.mean(technique, preset, kernel), 3)
    numbers |= _fork(evidence, rivals)
    early = evidence.mean("hvm-shadow", FIRST, kernel)
    late = evidence.mean("hvm-ept", LAST, kernel)
    slow_early = early > min(evidence.mean(rival, FIRST, kernel) for rival in rivals)
    near_late = late < _NEAR_NATIVE
    verdict: Verdict = (
        "holds"
        if slow_early and near_late
        else "depends"
        if slow_early or near_late
        else "does not hold"
    )
    why = (
        f"on the kernel workloads hvm-shadow takes {early:.2f} × native on {FIRST} "
        f"and hvm-ept {late:.2f} × on {LAST}"
    )
    return Finding(verdict, why, numbers, tuple(kernel))


def _fork(evidence: Evidence, rivals: list[str]) -> dict[str, float | str]:
    """The page-table work of a fork on the first generation."""
    table = evidence.ratios(FIRST)
    if _FORK not in table.index:
        return {}
    ratios = table[["hvm-shadow", *rivals]].loc[[_FORK]].to_dict("records")[0]
    return {f"{FIRST}, {_FORK}: {name}": round(ratio, 2) for name, ratio in ratios.items()}


def _best_hardware(evidence: Evidence, preset: str) -> str:
    return "hvm-ept" if "hvm-ept" in evidence.ratios(preset).columns else "hvm-shadow"


def _names(rows: pd.DataFrame) -> tuple[str, ...]:
    return tuple(
        f"{r['technique']} × {r['workload']}: {r['status']}" for r in rows.to_dict("records")
    )
