"""Pages that may hold something are found; a page that was stored to is never missing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hardware_model import resident_pages
from hardware_model.machine import Machine

_PAGE = 4096


def test_every_page_of_a_machine_that_was_written_is_found() -> None:
    machine = Machine(256 << 20)
    written = {5, 6, 7000, 30_011, 65_535}
    for page in written:
        machine.memory.write(page * _PAGE + 100, b"\x01")
    assert written <= set(resident_pages.resident(machine.engine.ram).tolist())


def test_pages_that_are_not_found_are_zero() -> None:
    machine = Machine(64 << 20)
    machine.memory.write(0x123456, b"here")
    frames = machine.engine.ram.reshape(-1, _PAGE)
    others = np.setdiff1d(np.arange(len(frames)), resident_pages.resident(machine.engine.ram))
    assert not frames[others].any()


def test_an_untouched_machine_holds_little_of_a_large_memory() -> None:
    machine = Machine(1 << 30)
    assert len(resident_pages.resident(machine.engine.ram)) < 10_000


def test_a_host_that_does_not_tell_gets_all_pages(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(resident_pages, "_PAGEMAP", tmp_path / "absent")
    buffer = np.zeros(10 * _PAGE, np.uint8)
    assert resident_pages.resident(buffer).tolist() == list(range(10))
