"""`trapbench validate --run` runs every experiment under its own conditions."""

from __future__ import annotations

from trapbench import validation_runs


def test_every_group_has_one_geometry_and_one_set_of_knobs() -> None:
    found = dict(validation_runs.selections())
    assert {
        "prescott-nano",
        "prescott-kernel",
        "prescott-compute",
        "nehalem-kernel",
    } <= found.keys()
    old = found["prescott-kernel-bt-none-virtual-tlb"]
    assert old.knobs == {"bt.bt.fence": "none", "bt.shadow.policy": "virtual-tlb"}
    assert found["prescott-nano-bt-none"].knobs == {"bt.bt.fence": "none"}
    assert list(old.techniques) == ["bt", "native"]
    assert "kernel/context-switch@1p64k" in old.workloads


def test_a_gain_needs_what_it_is_a_gain_over() -> None:
    found = dict(validation_runs.selections())
    assert list(found["nehalem-kernel"].techniques) == ["hvm-ept", "hvm-shadow", "native"]


def test_a_benchmark_of_linux_runs_on_linux_where_there_is_a_kernel(monkeypatch) -> None:
    monkeypatch.setattr(validation_runs, "_runnable", bool)
    wanted = dict(validation_runs.selections())["prescott-linux"]
    assert list(wanted.workloads) == ["linux/fork-wait@process"]
    assert {"bt", "hvm-shadow", "native"} == set(wanted.techniques)
    monkeypatch.setattr(validation_runs, "_runnable", lambda _: False)
    assert "prescott-linux" not in dict(validation_runs.selections())


def test_programs_run_long_enough_for_a_warm_up_not_to_count() -> None:
    assert {selection.size for _, selection in validation_runs.selections()} == {"standard"}
