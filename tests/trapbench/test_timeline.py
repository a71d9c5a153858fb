"""A trace shows every event that the counters count, in the order of virtual time."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

import techniques
import workloads
from trapbench import cli, timeline
from trapbench.timeline import Timeline

ON = [
    ("hvm-shadow", "kernel/cow-fault", {timeline.EXITS: "exits"}),
    ("bt", "nano/cr8wr", {timeline.CALLOUTS: "bt.callout"}),
    ("pv", "nano/ptemod-np-to-p", {timeline.HYPERCALLS: "hypercall.entries"}),
    ("native", "exit/hlt-timer", {timeline.INTERRUPTS: "interrupt.delivered"}),
]


@pytest.mark.parametrize(("technique", "workload", "tracks"), ON)
def test_every_event_that_is_counted_is_shown(
    technique: str, workload: str, tracks: dict[str, str]
) -> None:
    recorded = Timeline()
    outcome = techniques.run_guest(
        technique, workloads.find(workload), "small", first=recorded.attach
    )
    seen = Counter(moment.track for moment in recorded.moments)
    assert outcome.status == "ok"
    for track, counter in tracks.items():
        assert seen[track] == outcome.counters_total[counter]
    times = [moment.time for moment in recorded.moments]
    assert times == sorted(times)


def test_recording_changes_no_counter() -> None:
    workload = workloads.find("nano/pgfault")
    plain = techniques.run_guest("hvm-shadow", workload, "small")
    watched = techniques.run_guest("hvm-shadow", workload, "small", first=Timeline().attach)
    assert watched.counters_total == plain.counters_total
    assert watched.hot_exits == plain.hot_exits


def test_the_file_is_what_viewers_read(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "trace.json"
    assert cli.invoke(["trace", "exit/cpuid", "--technique", "hvm-ept", "--out", str(out)]) == 0
    trace = json.loads(out.read_text())
    events = trace["traceEvents"]
    assert {event["ph"] for event in events} == {"M", "X", "C", "i"}
    spans = [event for event in events if event["ph"] == "X" and event["name"] == "cpuid"]
    assert len(spans) == 2001  # the boot asks once
    assert spans[0]["cat"] == "VM exits" and set(spans[0]["args"]) == {"rip", "at"}
    assert all(event["pid"] == 1 for event in events)
    assert "events in" in capfd.readouterr().out


def test_events_beyond_the_limit_are_counted(tmp_path: Path) -> None:
    out = tmp_path / "trace.json"
    arguments = [
        "trace",
        "exit/cpuid",
        "--technique",
        "hvm-ept",
        "--limit",
        "10",
        "--out",
        str(out),
    ]
    assert cli.invoke(arguments) == 0
    events = json.loads(out.read_text())["traceEvents"]
    assert sum(event["ph"] == "X" for event in events) == 10
    assert "later events are not shown" in events[-1]["name"]


def test_dma_of_a_device_is_on_its_track() -> None:
    recorded = Timeline()
    techniques.run_guest("native", workloads.find("io/disk-read"), "small", first=recorded.attach)
    dma = [moment for moment in recorded.moments if moment.track == timeline.DMA]
    assert dma and {"source", "address"} <= set(dma[0].details)
