"""A soak with a time limit begins every long test before it repeats one, and leaves out what the limit leaves no time for."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from tests.proofs import soak_time


def item(name: str, *marks: str) -> Any:
    return SimpleNamespace(nodeid=name, get_closest_marker=lambda mark: mark in marks or None)


def test_cases_come_in_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(soak_time.VARIABLE, "60")
    items = [item(name) for name in ("a[0]", "a[1]", "a[2]", "b", "c[0]", "c[1]")]
    soak_time.pytest_collection_modifyitems(items)
    assert [i.nodeid for i in items] == ["a[0]", "b", "c[0]", "a[1]", "c[1]", "a[2]"]


@pytest.mark.parametrize(
    ("limit", "spent", "skipped"), [("1", 61, True), ("1", 59, False), ("", 1e9, False)]
)
def test_no_long_test_begins_when_the_time_is_over(
    monkeypatch: pytest.MonkeyPatch, limit: str, spent: float, skipped: bool
) -> None:
    monkeypatch.setenv(soak_time.VARIABLE, limit)
    monkeypatch.setattr(soak_time.time, "monotonic", lambda: soak_time._BEGAN + spent)
    soak_time.pytest_runtest_setup(item("short"))
    if skipped:
        with pytest.raises(pytest.skip.Exception, match="1 minutes of this soak are over"):
            soak_time.pytest_runtest_setup(item("long", "soak"))
    else:
        soak_time.pytest_runtest_setup(item("long", "soak"))
