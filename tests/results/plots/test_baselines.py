"""Pictures look as they did when someone last judged them.

After a wanted change: `TRAPBENCH_NEW_BASELINES=1 python -m pytest tests/results/plots`, then open the pictures.
The tables are written here, so that no change of a cost or counter changes a picture.
"""

from __future__ import annotations

import os
from itertools import product
from pathlib import Path

import pandas as pd
import pytest
from matplotlib.testing.compare import compare_images

from results.plots import catalogue, saving
from results.plots.plot import drawn

_BASELINES = Path(__file__).parent / "baseline"
#: Root mean square of the differences of pixels: other builds of FreeType stay below.
_TOLERANCE = 12.0
_PLOTS = {plot.name: plot for plot in catalogue.PLOTS}
_TECHNIQUES = ("trap-and-emulate", "bt", "pv", "hvm-shadow", "hvm-ept")
_WORKLOADS = ("fork-wait", "null-call", "context-switch@16p64k", "page-fault")
_CELLS = list(product(_WORKLOADS, _TECHNIQUES))
_RATIOS = [(1 + place) ** (1.4 - 0.3 * (place % 5)) for place in range(len(_CELLS))]
_SHARES = {"guest work": 1.0, "transitions": 2.0, "VMM software": 1.5, "shadow maintenance": 3.0}
_GENERATIONS = ("prescott ’05", "merom ’06", "nehalem ’09", "skylake-sp ’17")
_CHASE = [(v, f) for v in ("native", *_TECHNIQUES[1:]) for f in (64.0, 1024.0, 16384.0)]

TABLES: dict[str, list[dict[str, object]]] = {
    "overhead": [
        {"family": "kernel", "row": w, "variant": t, "ratio": r, "low": r / 1.4, "high": r * 1.6}
        for (w, t), r in zip(_CELLS, _RATIOS, strict=True)
    ],
    "cycle-stack": [
        {"family": "kernel", "row": w, "variant": t, "component": c, "share": s * (1 + len(t) % 4)}
        for (w, t), (c, s) in product(_CELLS[1:], _SHARES.items())
    ],
    "exits": [
        {"variant": "hvm-ept", "row": f"kernel/{w}", "reason": r, "count": float(n)}
        for w, (r, n) in product(
            _WORKLOADS, {"exit: cpuid": 2000, "exit: hlt": 12, "trap: #PF": 1}.items()
        )
    ],
    "shadow-updates": [
        {"row": f"kernel/{w}", "variant": t, "writes": 3.0 ** (2 + i), "updates": 2.0 ** (3 + i)}
        for i, w in enumerate(_WORKLOADS)
        for t in ("bt", "hvm-shadow", "trap-and-emulate")
    ],
    "walk-references": [
        {
            "pages": "4 KiB pages",
            "variant": v,
            "footprint": f,
            "references": (5 if v == "hvm-ept" else 1) * (f > 1024),
        }
        for v, f in _CHASE
    ],
    "generations": [
        {"family": f, "variant": t, "preset": p, "place": i, "mean": m - 0.2 * i, "workloads": 7}
        for f in ("kernel", "memory")
        for t, m in {"bt": 5.0, "pv": 2.0, "hvm-shadow": 7.0, "hvm-ept": 1.9}.items()
        for i, p in enumerate(_GENERATIONS)
        if t != "hvm-ept" or i > 1
    ],
    "crossovers": [
        {
            "workload": f"kernel/{w}",
            "rival": r,
            "hardware": h,
            "cost": 300.0 * (1 + i) ** 1.7,
            "now": 1009.0,
            "low": 948.0,
            "high": 1110.0,
        }
        for i, (w, r, h) in enumerate(product(_WORKLOADS, ("bt", "pv"), ("hvm-shadow", "hvm-ept")))
    ],
    "io-models": [
        {
            "row": w,
            "io": m,
            "variant": t,
            "entries": 0.0 if t == "native" else (8.0 - 3 * i) / (1 + j) * len(t) / 4,
            "cycles": (0.6 if t == "native" else 4.0 - i) * (1 + j) * len(t) / 6,
        }
        for (i, m), t, (j, w) in product(
            enumerate(("emulated", "paravirtual", "passthrough")),
            ("native", "bt", "hvm-shadow", "hvm-ept"),
            enumerate(("disk-read", "network-receive@64", "network-transmit")),
        )
    ],
    "isolation": [
        {"attack": a, "variant": t, "outcome": o, "said": s}
        for a, o, s in (
            ("dma", "blocked", "blocked: 1 fault"),
            ("dma protection=off", "reached", "reached: 64 bytes"),
            ("dma@interrupt protection=off", "reached", "reached: 64 bytes, 2 interrupts"),
            ("foreign-frame", "blocked", "blocked: 8 accesses"),
            ("other", "nothing", "came to nothing"),
        )
        for t in _TECHNIQUES
    ],
    "validation": [
        {
            "quantity": "times native",
            "benchmark": f"lmbench {w} (1)",
            "variant": t,
            "expected": 1.0 + i,
            "predicted": (1.0 + i) * (3.0 if i == 2 else 1.1),
            "ratio": 3.0 if i == 2 else 1.1,
        }
        for i, (w, t) in enumerate(product(_WORKLOADS, ("bt", "pv")))
    ],
}


@pytest.mark.parametrize("name", TABLES)
def test_pictures_look_as_they_were_judged(name: str, tmp_path: Path) -> None:
    plot = _PLOTS[name]
    figure = drawn(plot, pd.DataFrame(TABLES[name])[list(plot.columns)])
    made, baseline = tmp_path / f"{name}.png", _BASELINES / f"{name}.png"
    saving.save(figure, made, "png", dpi=60)
    if os.environ.get("TRAPBENCH_NEW_BASELINES"):
        baseline.write_bytes(made.read_bytes())
    assert compare_images(str(baseline), str(made), _TOLERANCE) is None
