"""Names of KVM and perf lead to counters that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hardware_model.counters import index
from results.host import names


@pytest.mark.parametrize(
    "name", [*names.STATISTICS, *names.EVENTS, *names.EXITS, "HLT", "kvm_exit(CPUID)"]
)
def test_every_mapped_name_is_a_counter(name: str) -> None:
    counter = names.counter(name)
    assert counter is not None
    index(counter)


def test_names_of_exits_differ_from_the_manuals_where_linux_differs() -> None:
    assert names.counter("MSR_WRITE") == "exit.wrmsr"
    assert names.counter("kvm_exit(EPT_MISCONFIG)") == "exit.ept_misconfiguration"


def test_a_name_without_a_counter_says_why() -> None:
    assert names.counter("halt_poll_success_ns") is None
    assert names.why_not("halt_poll_success_ns") == "a time"
    assert names.why_not("no_such_statistic") == "the model has no counter for it"


def test_no_name_is_both_mapped_and_without_a_counter() -> None:
    assert not names.WITHOUT_COUNTER.keys() & (names.STATISTICS.keys() | names.EVENTS.keys())


def test_the_page_names_every_name_that_is_mapped() -> None:
    page = (Path(__file__).parents[3] / "docs" / "compare-host.md").read_text("utf-8")
    for name in (*names.STATISTICS, *names.EVENTS):
        assert re.search(rf"\b{name}\b", page), name
    for name in names.EXITS.keys() - {"SIPI_SIGNAL"}:
        assert name in page, name
