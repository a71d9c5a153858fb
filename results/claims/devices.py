"""Claim 6: what each I/O model costs, and how often the VMM comes in for it."""

from __future__ import annotations

import numpy as np
import pandas as pd

from results.claims.evidence import FIRST_WITH_EPT, Evidence, Finding, Verdict, untested
from results.tables import ENTRIES_INTO_VMM, IO_FAMILY

MODELS = ("emulated", "paravirtual", "passthrough")
ASSIGNED_BY = ("hvm-ept", "hvm-shadow")
"""Techniques that can let an assigned device's ports and registers through."""
_NEAR_NATIVE = 1.5


def software_devices(evidence: Evidence) -> Finding:
    """Emulation is dear, para-virtual devices less so, assigned ones are close to native and leave interrupts only."""
    missing = sorted(set(MODELS) - evidence.io_models())
    table = _ratios(evidence)
    if missing or table.empty:
        what = f"I/O model {' or '.join(missing)}" if missing else "family io under every model"
        return untested(f"the run has no cell of {what}")
    means = table.groupby(level="technique").agg(_geometric_mean)
    entries = _entries(evidence)
    numbers: dict[str, float | str] = {}
    for technique in means.index:
        for model in MODELS:
            mean = float(means[model].loc[technique])
            numbers[f"{technique}, {model}: times native"] = round(mean, 2)
            numbers[f"{technique}, {model}: entries into the VMM"] = int(
                entries.get((technique, model), 0)
            )
    shown = table.loc[["hvm-ept"]] if "hvm-ept" in means.index else table
    names = shown.index.get_level_values("workload")
    cells = tuple(
        f"{name}: " + ", ".join(f"{m} {v:.2f}" for m, v in zip(MODELS, values, strict=True))
        for name, values in zip(names, shown.to_numpy(), strict=True)
    )
    why = (
        f"cycles over native on {FIRST_WITH_EPT}, geometric mean over the family io; what is left of an assigned "
        "device's overhead under VT-x is the interrupts, which weigh where a guest does little else"
    )
    return Finding(_verdict(means), why, numbers, cells)


def _geometric_mean(values: pd.Series) -> float:
    return float(np.exp(np.log(values.to_numpy(np.float64)).mean()))


def _verdict(means: pd.DataFrame) -> Verdict:
    """Holds if the models are in that order and assignment is near native, where the processor helps; depends on how
    much else the guest does if they are only in that order.
    """
    by_hardware = means.loc[[name for name in ASSIGNED_BY if name in means.index]]
    ordered = (by_hardware["emulated"] > by_hardware["paravirtual"]) & (
        by_hardware["paravirtual"] > by_hardware["passthrough"]
    )
    if by_hardware.empty or not ordered.all():
        return "does not hold"
    return "holds" if (by_hardware["passthrough"] < _NEAR_NATIVE).all() else "depends"


def _ratios(evidence: Evidence) -> pd.DataFrame:
    """Index (technique, workload), a column for each model, of workloads that ran under all three."""
    table = evidence.run.ratios(FIRST_WITH_EPT)
    of_family = table["workload"].str.startswith(IO_FAMILY) & (table["knobs"] == "{}")
    chosen = table[of_family & (table["technique"] != "native")]
    if chosen.empty:
        return pd.DataFrame(columns=MODELS)
    wide = chosen.pivot_table(index=["technique", "workload"], columns="io", values="ratio")
    return wide.reindex(columns=MODELS).dropna()


def _entries(evidence: Evidence) -> dict[tuple[str, str], int]:
    """Entries into the VMM within the regions of interest, by technique and model."""
    rows = evidence.run.valid_counters()
    chosen = rows[
        rows["workload"].str.startswith(IO_FAMILY)
        & rows["counter"].isin(ENTRIES_INTO_VMM)
        & (rows["scope"] == "roi")
        & (rows["knobs"] == "{}")
    ]
    sums = chosen.groupby(["technique", "io"], as_index=False)["value"].sum()
    triples = zip(sums["technique"], sums["io"], sums["value"], strict=True)
    return {(str(technique), str(model)): int(n) for technique, model, n in triples}
