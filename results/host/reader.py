"""Reads what a host reports: one count, and one mean time where there is one, by the host's own name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from results.errors import ResultsError
from results.host import kvm_stat, perf_report, statistics
from results.host.count import HostCount, added_up

__all__ = ["HostCount", "read"]

_FORMATS: tuple[Callable[[Path, list[str]], Iterator[HostCount]], ...] = (
    *(perf_report.counts, statistics.query_stats, statistics.texts),
    *(kvm_stat.table, kvm_stat.look, kvm_stat.columns),
)
"""Tried in this order; the first that finds anything counts."""


def read(path: Path) -> list[HostCount]:
    """The counts of a file, added up by name; ResultsError when it cannot be read or is of no known kind.

    docs/compare-host.md lists the kinds.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ResultsError(f"{path} cannot be read: {error.strerror}") from error
    if statistics.is_binary(content):
        return added_up(statistics.binary(path, content))
    try:
        lines = content.decode("utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise ResultsError(f"{path} is no text") from error
    for form in _FORMATS:
        if found := added_up(form(path, lines)):
            return found
    raise ResultsError(
        f"{path} is neither a report of perf kvm stat nor KVM's statistics in a form that is known"
    )
