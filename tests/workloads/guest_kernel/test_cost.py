"""How much the guests execute: small sizes are small, and all measured work lies between the markers."""

from __future__ import annotations

import pytest

import workloads

SMALL = 800_000  # retired instructions of a small workload
BOOT = 9_000  # of the kernel, until its workload starts

OURS = [w.name for w in workloads.all() if w.family in ("nano", "exit", "kernel")]


def markers(source: str) -> tuple[int, int]:
    """How often the region of interest begins and ends in a source."""
    lines = [line.split("#")[0].strip() for line in source.splitlines()]
    return lines.count("ROI_BEGIN"), lines.count("ROI_END")


@pytest.mark.parametrize("name", OURS)
def test_a_small_workload_is_small(run_suite, name):
    ran = run_suite(name)
    assert ran.status == 0
    assert ran.guest.machine.instructions < SMALL


@pytest.mark.parametrize("name", OURS)
def test_a_region_of_interest_begins_and_ends(name):
    begins, ends = markers(workloads.find(name).path.read_text())
    assert begins == ends >= 1


def test_booting_takes_few_instructions(run):
    ran = run(kernel="xor eax, eax\nret")
    assert ran.status == 0
    assert ran.guest.machine.instructions < BOOT
