"""How many cases each proof tried: printed at the end of a test run."""

from __future__ import annotations

from collections import Counter
from typing import Any

CASES: Counter[str] = Counter()


def counted(kind: str, cases: int = 1) -> None:
    """Note that `cases` more cases of a kind were tried."""
    CASES[kind] += cases


def pytest_sessionfinish(session: Any) -> None:
    """A worker process hands its counts to the one that prints."""
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["cases"] = dict(CASES)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print the counts."""
    if CASES:
        terminalreporter.section("cases tried")
        for kind, cases in sorted(CASES.items()):
            terminalreporter.write_line(f"{cases:>12,}  {kind}")


class FromWorkers:
    """Collects the counts of worker processes."""

    @staticmethod
    def pytest_testnodedown(node: Any) -> None:
        """A worker has ended."""
        CASES.update(getattr(node, "workeroutput", {}).get("cases", {}))
