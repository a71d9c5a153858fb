"""The reference pages of the site show every row of the tables that they are made of."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

from hardware_model import presets
from hardware_model.counters import COUNTERS
from hardware_model.vmx.exit_reasons import Reason

_PATH = Path(__file__).parents[2] / "docs" / "reference_pages.py"
_SPEC = importlib.util.spec_from_file_location("reference_pages", _PATH)
assert _SPEC and _SPEC.loader
reference = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(reference)


def test_every_counter_and_exit_reason_has_a_row():
    counters, reasons = reference.counters(), reference.exit_reasons()
    assert all(f"| `{c.name}` |" in counters for c in COUNTERS)
    assert all(f"| {int(r)} | {r.name} |" in reasons for r in Reason)


@pytest.mark.parametrize("name", presets.names())
def test_every_number_of_a_preset_has_its_source(name):
    rows = re.findall(r"^\| `.+$", reference.preset(name).split("## Sources")[0], re.MULTILINE)
    assert len(rows) == len(presets.load(name).costs) + 1
    assert all(len(re.split(r"(?<!\\)\|", row)) == 9 for row in rows)


def test_pages_that_have_not_changed_are_not_written_again(tmp_path):
    reference.write(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    reference.write(tmp_path)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before
    assert len(before) == len(reference.pages()) + 1
