"""A host's counts stand beside the model's, as shares of all exits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from results.finished import Finished
from results.host import comparison
from results.host.reader import HostCount
from results.run import Run

COUNTED = {"exits": 10, "exit.hlt": 6, "exit.cpuid": 4}


@pytest.fixture
def run(native: Finished, ept: Finished, fill_folder: Callable[..., Path]) -> Run:
    return Run.load(fill_folder("a", [native, replace(ept, counters={"roi": COUNTED})]))


def test_shares_are_of_all_exits(run: Run) -> None:
    host = [HostCount("HLT", 30, 5.0), HostCount("MSR_WRITE", 10, 1.0)]
    table = comparison.compare(host, run, "hvm-ept").set_index("counter")
    assert table.loc["exit.hlt", ["host", "host_share", "model", "model_share"]].tolist() == [
        *(30, 0.75, 6, 0.6)
    ]
    assert table.loc["exit.wrmsr", "model"] == 0
    assert table.loc["exit.hlt", "microseconds"] == 5.0


def test_exits_that_only_the_model_had_are_listed(run: Run) -> None:
    table = comparison.compare([HostCount("HLT", 30)], run, "hvm-ept").set_index("counter")
    assert table.loc["exit.cpuid", "host"] == 0
    assert table.loc["exit.cpuid", "note"] == "the host had none"


def test_the_hosts_own_total_is_what_shares_are_of(run: Run) -> None:
    host = [HostCount("exits", 100), HostCount("halt_exits", 25), HostCount("halt_wakeup", 3)]
    table = comparison.compare(host, run, "hvm-ept").set_index("name")
    assert table.loc["halt_exits", "host_share"] == 0.25
    assert "no other threads" in table.loc["halt_wakeup", "note"]
