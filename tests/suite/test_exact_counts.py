"""Every counter of every cell in size small, exactly: a change of a count is a reviewed change of golden_counters.json.

To accept new counts: `python -m tests.suite.golden` (see golden.py) and read the diff.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

GOLDEN = Path(__file__).with_name("golden_counters.json")
TECHNIQUES = ("native", "hvm-ept", "hvm-shadow")


@pytest.fixture(scope="module")
def golden():
    return json.loads(GOLDEN.read_text())


@pytest.mark.parametrize("technique", TECHNIQUES)
def test_counters_are_those_on_record(run, workload, technique, golden):
    assert run(technique, workload).counters_roi == golden[workload][technique]
