"""The pytest fixture `trapbench`: exact budgets of counters in a test suite of your own.

    def test_boot_stays_cheap(trapbench):
        cell = trapbench.run("hvm-ept", "path/to/mine.asm")
        cell.assert_at_most(exits=10, **{"walk.reference": 500})

Counters are the same on every run and machine, so that a budget can be as tight as the count itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from os import PathLike
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    import pandas as pd

    from results.cell import KnobValue
    from techniques import Outcome

ROI, TOTAL = "roi", "total"


@dataclass(frozen=True)
class Measured:
    """One cell: `technique`, `workload`, `size`, and the `outcome` of the run."""

    technique: str
    workload: str
    size: str
    outcome: Outcome

    def __getitem__(self, counter: str) -> int:
        """The counter in the region of interest; KeyError when no counter has that name."""
        return self.count(counter)

    def count(self, counter: str, scope: str = ROI) -> int:
        """The counter in the region of interest (`roi`) or in the whole run (`total`)."""
        from hardware_model import counters

        counters.index(counter)
        return self._scope(scope).get(counter, 0)

    def assert_at_most(self, scope: str = ROI, **budgets: int) -> None:
        """Fail the test when a counter is above its budget, naming each and the hottest exits."""
        self._check(scope, budgets, lambda count, budget: count <= budget, "at most")

    def assert_exactly(self, scope: str = ROI, **budgets: int) -> None:
        """Fail the test when a counter differs from what is said."""
        self._check(scope, budgets, lambda count, budget: count == budget, "exactly")

    def cycles(self, preset: str = "nehalem") -> float:
        """Estimated cycles of the region of interest on a preset."""
        return float(self._costed(preset)["cycles"].sum())

    def _costed(self, preset: str) -> pd.DataFrame:
        from results import cycles

        return cycles.cycles(self.counters, preset)

    @cached_property
    def counters(self) -> pd.DataFrame:
        """The counters of the region of interest as a table of one cell."""
        import pandas as pd

        rows = [(ROI, name, value) for name, value in self.outcome.counters_roi.items()]
        frame = pd.DataFrame(rows, columns=["scope", "counter", "value"])
        return frame.assign(
            workload=self.workload,
            size=self.size,
            io="",
            geometry="",
            technique=self.technique,
            knobs="{}",
        )

    def _scope(self, scope: str) -> Mapping[str, int]:
        return {ROI: self.outcome.counters_roi, TOTAL: self.outcome.counters_total}[scope]

    def _check(self, scope: str, budgets: Mapping[str, int], holds: object, how: str) -> None:
        __tracebackhide__ = True
        assert callable(holds)
        counts = {name: self.count(name, scope) for name in budgets}
        wrong = [name for name in budgets if not holds(counts[name], budgets[name])]
        if not wrong:
            return
        lines = [f"{name}: {counts[name]:,}, {how} {budgets[name]:,} allowed" for name in wrong]
        hot = [f"  {n:,} × {r} at {s or hex(rip)}" for r, rip, s, n in self.outcome.hot_exits[:5]]
        title = f"{self.technique} × {self.workload} ({self.size}, {scope})"
        pytest.fail(
            "\n".join([title, *lines, *(["hottest exits:", *hot] if hot else [])]), pytrace=False
        )


class Bench:
    """Runs cells inside a test."""

    def run(
        self,
        technique: str,
        workload: str | PathLike[str],
        size: str = "small",
        *,
        io: str = "emulated",
        geometry: str = "nehalem",
        knobs: Mapping[str, KnobValue] | None = None,
        budget: int | None = None,
    ) -> Measured:
        """Run a workload (a name, or a path to a file) under a technique.

        The test fails when the guest does not end well, and is skipped when the cell makes no sense.
        """
        import techniques
        import workloads

        found = workloads.find(workload)
        try:
            outcome = techniques.run_guest(technique, found, size, io, knobs, geometry, budget)
        except techniques.Skipped as skipped:
            pytest.skip(f"{technique} × {found.name}: {skipped}")
        if outcome.status != "ok":
            pytest.fail(
                f"{technique} × {found.name} {outcome.status}: {outcome.reason}", pytrace=False
            )
        return Measured(technique, found.name, size, outcome)

    def assert_equivalent(self, *cells: Measured) -> None:
        """Fail the test when guests could tell the difference, by the parts that all cells report."""
        __tracebackhide__ = True
        first = cells[0]
        for other in cells[1:]:
            common = first.outcome.outcome_parts.keys() & other.outcome.outcome_parts.keys()
            mine, theirs = first.outcome.outcome_parts, other.outcome.outcome_parts
            if wrong := sorted(part for part in common if mine[part] != theirs[part]):
                names = f"{first.technique} and {other.technique} × {first.workload}"
                pytest.fail(f"{names} differ in {', '.join(wrong)}", pytrace=False)


@pytest.fixture(scope="session")
def trapbench() -> Bench:
    """Runs guests under techniques and asserts budgets of exact counters; see `trapbench.pytest_plugin`."""
    return Bench()
