"""Frames of the VMM's own memory."""

from __future__ import annotations

from pathlib import Path

import pytest

import workloads
from techniques import GuestError, run_guest
from techniques.frames import FrameAllocator, OutOfFrames
from techniques.paravirtual import Paravirtual


def test_frames_are_handed_out_until_there_are_none_and_come_back() -> None:
    frames = FrameAllocator(0x1000, 0x3000)
    assert [frames.allocate(), frames.allocate()] == [0x1000, 0x2000]
    with pytest.raises(OutOfFrames):
        frames.allocate()
    frames.free(0x2000)
    assert frames.allocate() == 0x2000


def test_a_domain_whose_tables_need_more_than_the_vmm_has_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here of a VMM that gets no memory for so large a domain."""
    same_for_all = classmethod(lambda cls, ram_bytes: cls.vmm_bytes)
    monkeypatch.setattr(Paravirtual, "vmm_bytes_beside", same_for_all)
    source = Path(workloads.__file__).parent / "kernel" / "null-call.asm"
    huge = tmp_path / "huge.asm"
    huge.write_text("#: ram_mib = 2048\n" + source.read_text("utf-8"))
    with pytest.raises(GuestError, match="the VMM has no free frame left"):
        run_guest("pv", workloads.find(huge), "small")
