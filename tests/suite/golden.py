"""Writes golden_counters.json anew: the counters that test_exact_counts.py expects."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

import techniques
import workloads

GOLDEN = Path(__file__).with_name("golden_counters.json")
TECHNIQUES = ("native", "hvm-ept", "hvm-shadow")


def main() -> None:
    """Run every cell in size small and write its counters, one cell a line."""
    lines = []
    for workload in workloads.all():
        cells = {}
        for technique in TECHNIQUES:
            with suppress(techniques.Skipped):
                outcome = techniques.run_guest(technique, workload, "small")
                cells[technique] = dict(sorted(outcome.counters_roi.items()))
        body = ",\n  ".join(f"{json.dumps(t)}: {json.dumps(c)}" for t, c in cells.items())
        lines.append(f"{json.dumps(workload.name)}: {{\n  {body}}}")
    GOLDEN.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
