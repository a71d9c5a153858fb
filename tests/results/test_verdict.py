"""Equivalence of a cell with its native cell."""

from __future__ import annotations

from dataclasses import replace

from results.finished import Finished
from results.verdict import Verdict, judge


def _judge(cell: Finished, native: Finished | None = None) -> Verdict:
    return judge(cell, native)


def test_a_cell_with_the_digest_of_native_is_ok(native: Finished, ept: Finished) -> None:
    assert _judge(ept, native) == Verdict("ok")


def test_divergence_names_the_parts_that_differ(native: Finished, ept: Finished) -> None:
    other = replace(ept, digest="d2", outcome={"memory": "m2", "registers": "r1"})
    assert _judge(other, native) == Verdict("diverged", "memory differs from native")


def test_divergence_names_a_different_guest_status(native: Finished, ept: Finished) -> None:
    other = replace(ept, digest="d2", outcome={"memory": "x", "registers": "y"}, guest_status=3)
    expected = "memory and registers differ from native (guest status 3, natively 0)"
    assert _judge(other, native).reason == expected


def test_divergence_without_differing_parts_is_still_divergence(
    native: Finished, ept: Finished
) -> None:
    verdict = _judge(replace(ept, digest="d2"), native)
    assert verdict == Verdict("diverged", "the guest-visible outcome differs from native")


def test_a_cell_without_native_cannot_be_compared(ept: Finished) -> None:
    assert _judge(ept) == Verdict("failed", "cannot be compared with native, which is missing")


def test_a_cell_whose_native_cell_failed_cannot_be_compared(
    native: Finished, ept: Finished
) -> None:
    verdict = _judge(ept, replace(native, status="failed", reason="triple fault"))
    expected = "cannot be compared with native, which is failed: triple fault"
    assert verdict == Verdict("failed", expected)


def test_a_failure_stays_a_failure(native: Finished, ept: Finished) -> None:
    verdict = _judge(replace(ept, status="failed", reason="triple fault"), native)
    assert verdict == Verdict("failed", "triple fault")


def test_only_what_the_workload_does_not_declare_is_unexpected() -> None:
    assert Verdict("diverged").is_unexpected("ok")
    assert Verdict("ok").is_unexpected("diverged")
    assert not Verdict("diverged").is_unexpected("diverged")
    assert not Verdict("skipped").is_unexpected("ok")


def test_a_cell_that_natively_makes_no_sense_says_that_it_was_not_compared(
    native: Finished, ept: Finished
) -> None:
    verdict = _judge(ept, replace(native, status="skipped", reason="no such driver"))
    assert verdict == Verdict("ok", "not compared, since native is skipped: no such driver")
