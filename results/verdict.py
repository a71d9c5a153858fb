"""Equivalence before speed: every cell's guest-visible outcome is compared with native's."""

from __future__ import annotations

from dataclasses import dataclass

from results.cell import NATIVE
from results.finished import DIVERGED, FAILED, OK, SKIPPED, Finished


@dataclass(frozen=True, slots=True)
class Verdict:
    """A cell's final status (ok, diverged, failed or skipped) and a sentence why, empty if ok."""

    status: str
    reason: str = ""

    def is_unexpected(self, expected: str) -> bool:
        """Whether this contradicts the workload's declaration; a skipped cell never does."""
        return contradicts(self.status, expected)


def contradicts(status: str, expected: str) -> bool:
    """Whether `status` is none of the statuses that `expected` allows ("ok", or several as "ok|diverged")."""
    return status not in (*expected.split("|"), SKIPPED)


def judge(finished: Finished, native: Finished | None) -> Verdict:
    """The verdict on one cell, given the native cell that it is compared with."""
    if finished.status != OK or finished.cell.technique == NATIVE:
        return Verdict(finished.status, finished.reason)
    if native is None or native.status != OK:
        if native is not None and native.status == SKIPPED:
            return Verdict(OK, f"not compared, since native is skipped: {native.reason}")
        why = "is missing" if native is None else f"is {native.status}: {native.reason}"
        return Verdict(FAILED, f"cannot be compared with native, which {why}")
    if finished.digest != native.digest and not _equal_where_compared(finished, native):
        return Verdict(DIVERGED, _difference(finished, native))
    return Verdict(OK, finished.reason)


def _equal_where_compared(finished: Finished, native: Finished) -> bool:
    """Whether the cell reports only some of native's parts, as a ported guest does, and those are equal."""
    return 0 < len(finished.outcome) < len(native.outcome) and not _differing(finished, native)


def _differing(finished: Finished, native: Finished) -> list[str]:
    """Parts of the outcome, of those that the cell reports, that differ from native's."""
    parts = sorted(finished.outcome)
    return [part for part in parts if finished.outcome[part] != native.outcome.get(part)]


def _difference(finished: Finished, native: Finished) -> str:
    differing = _differing(finished, native)
    what = " and ".join(differing) or "the guest-visible outcome"
    verb = "differ" if len(differing) > 1 else "differs"
    statuses = ""
    if finished.guest_status != native.guest_status:
        statuses = f" (guest status {finished.guest_status}, natively {native.guest_status})"
    return f"{what} {verb} from native{statuses}"
