"""The fixture `trapbench` in a suite of one's own."""

from __future__ import annotations

import pytest

from trapbench.pytest_plugin import Bench

pytest_plugins = ("pytester",)


def test_counters_and_budgets(trapbench: Bench) -> None:
    cell = trapbench.run("hvm-ept", "exit/cpuid")
    assert cell["exits"] == 2000
    assert cell.count("exits", "total") >= 2001
    cell.assert_at_most(exits=2000, **{"exit.cpuid": 2000})
    cell.assert_exactly(exits=2000)
    assert cell.cycles("nehalem") > cell.cycles("skylake-sp") > 0


def test_a_budget_that_is_exceeded_names_the_counter_and_the_exits(trapbench: Bench) -> None:
    cell = trapbench.run("hvm-ept", "exit/cpuid")
    with pytest.raises(pytest.fail.Exception) as failure:
        cell.assert_at_most(exits=1999)
    assert "exits: 2,000, at most 1,999 allowed" in str(failure.value)
    assert "× cpuid at" in str(failure.value)


def test_a_counter_that_does_not_exist_is_an_error(trapbench: Bench) -> None:
    with pytest.raises(KeyError, match="'exists' is not declared"):
        trapbench.run("hvm-ept", "exit/cpuid").assert_at_most(exists=1)


def test_equivalence_can_be_asserted(trapbench: Bench) -> None:
    native, shadow = (trapbench.run(t, "nano/divzero") for t in ("native", "hvm-shadow"))
    trapbench.assert_equivalent(native, shadow)
    other = trapbench.run("native", "nano/pgfault")
    with pytest.raises(pytest.fail.Exception, match="differ in"):
        trapbench.assert_equivalent(native, other)


def test_a_suite_elsewhere_has_the_fixture(pytester: pytest.Pytester) -> None:
    """Where it is installed, the entry point makes the conftest superfluous: tests/packaging/test_wheel.py."""
    pytester.makeconftest("from trapbench.pytest_plugin import trapbench")
    pytester.makepyfile(
        """
        def test_exits(trapbench):
            trapbench.run("hvm-shadow", "exit/cpuid").assert_exactly(exits=2000)

        def test_too_many(trapbench):
            trapbench.run("hvm-shadow", "exit/cpuid").assert_at_most(exits=5)

        def test_makes_no_sense(trapbench):
            trapbench.run("pv", "exit/mmio")
        """
    )
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider")
    result.assert_outcomes(passed=1, failed=1, skipped=1)
    result.stdout.fnmatch_lines(["*exits: 2,000, at most 5 allowed*"])
