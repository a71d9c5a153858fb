"""`trapbench run --kernel` with a file that cannot be booted: one sentence that says why, and a status."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.hardware_model.linux_boot import kernel_files as files
from trapbench.cli import invoke

GOOD = files.elf(files.LEAVE)
GOOD_BZ = files.bz(GOOD)
ELF = "not a 64-bit little-endian ELF file"
CUT = "cut short"
BROKEN: dict[str, tuple[bytes, str]] = {
    "an empty file": (b"", ELF),
    "one byte": (b"\x7f", ELF),
    "text": (b"#!/bin/sh\nexit 0\n" * 300, ELF),
    "raw code": (files.LEAVE * 1000, ELF),
    "half a header": (GOOD[:40], ELF),
    "nothing behind the header": (GOOD[:64], CUT),
    "half a program header": (GOOD[:100], CUT),
    "half a segment": (GOOD[: 0x1000 + 3], CUT),
    "32 bits": (files.changed(GOOD, **{"class": 1}), ELF),
    "big-endian": (files.changed(GOOD, data=2), ELF),
    "of another machine": (files.changed(GOOD, machine=183), "for machine 183, not for x86-64"),
    "an object file": (files.changed(GOOD, type=1), "of type 1, no executable"),
    "without segments": (files.changed(GOOD, segments=0), "in none of its segments"),
    "more segments than there is file": (files.changed(GOOD, segments=0xFFFE), CUT),
    "program headers far outside": (files.changed(GOOD, segments_at=1 << 63), CUT),
    "program headers of another size": (
        files.changed(GOOD, segment_bytes=32),
        "headers of 32 bytes",
    ),
    "an empty segment": (files.changed(GOOD, 0, in_file=0, in_memory=0), "in none of its segments"),
    "a segment longer than memory": (
        files.changed(GOOD, 0, in_memory=1 << 40),
        "needs memory up to",
    ),
    "a segment longer than all addresses": (
        files.changed(GOOD, 0, in_memory=(1 << 64) - 1),
        "needs memory up to",
    ),
    "a segment longer than the file": (files.changed(GOOD, 0, in_file=1 << 62), CUT),
    "a segment from outside of the file": (files.changed(GOOD, 0, offset=(1 << 64) - 4), CUT),
    "a segment longer in the file than in memory": (
        files.changed(GOOD, 0, in_memory=3),
        "has 8 bytes for 3",
    ),
    "a segment beyond memory": (
        files.changed(GOOD, 0, physical=(1 << 64) - 8),
        "needs memory up to",
    ),
    "a segment on the loader's tables": (
        files.changed(files.changed(GOOD, entry=0x7000), 0, physical=0x7000),
        "where the boot loader's own tables are",
    ),
    "segments that overlap": (files.two_segments(files.PHYSICAL + 0x800), "overlaps another"),
    "an entry outside": (files.changed(GOOD, entry=0x70000000), "in none of its segments"),
    "an entry that is no address": (files.changed(GOOD, entry=1 << 62), "in none of its segments"),
    "a boot image cut short": (GOOD_BZ[:-5], CUT),
    "a boot image that is only its magic": (GOOD_BZ[:0x206], "not a Linux boot image"),
    "a boot image without 64-bit entry": (files.bz(GOOD, protocol=0x0204), "no 64-bit entry point"),
}


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def boot(file: str, *options: str) -> int:
    """The status of a command that boots `file`."""
    alone = ["--jobs=1", "--no-cache", "--budget=100000", "--out=out"]
    return invoke(["run", f"--kernel={file}", *alone, *options])


@pytest.mark.parametrize("technique", ["native", "hvm-ept"])
def test_the_file_that_the_others_are_made_from_boots(technique: str) -> None:
    Path("kernel").write_bytes(GOOD)
    assert boot("kernel", f"--technique={technique}") == 0


def test_segments_side_by_side_are_no_overlap() -> None:
    Path("kernel").write_bytes(files.two_segments(files.PHYSICAL + 0x1000))
    assert boot("kernel", "--technique=native") == 0


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_kernel_is_one_sentence(what: str, capsys: pytest.CaptureFixture[str]) -> None:
    content, sentence = BROKEN[what]
    Path("kernel").write_bytes(content)
    assert boot("kernel", "--technique=native") in (1, 2)
    error = capsys.readouterr().err
    assert sentence in error
    assert "kernel" in error
    assert error.count("\n") == 1


def test_a_folder_is_no_kernel(capsys: pytest.CaptureFixture[str]) -> None:
    Path("kernel").mkdir()
    assert boot("kernel") == 2
    assert capsys.readouterr().err.endswith("kernel cannot be read: Is a directory\n")


def test_a_folder_is_no_ramdisk(capsys: pytest.CaptureFixture[str]) -> None:
    Path("kernel").write_bytes(GOOD)
    Path("ramdisk").mkdir()
    assert boot("kernel", "--initrd=ramdisk") == 2
    assert capsys.readouterr().err.endswith("ramdisk cannot be read: Is a directory\n")


def test_a_ramdisk_that_does_not_fit_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    Path("kernel").write_bytes(GOOD)
    with Path("ramdisk").open("wb") as file:
        file.truncate(300 << 20)
    assert boot("kernel", "--initrd=ramdisk", "--technique=native") == 1
    error = capsys.readouterr().err
    assert "but not the ramdisk of 314572800 bytes" in error
    assert error.count("\n") == 1


def test_a_damaged_table_of_symbols_does_not_keep_a_kernel_from_booting() -> None:
    Path("kernel").write_bytes(files.changed(GOOD, sections_at=1 << 62, sections=30000))
    assert boot("kernel", "--technique=hvm-ept") == 0


@pytest.mark.parametrize(
    ("notes", "sentence"),
    [
        (b"", "no Xen PV entry"),
        (b"\xff" * 40, "no Xen PV entry"),
        (files.note("Xen", 1, (1 << 62).to_bytes(8, "little")), "at RIP 0x4000000000000000"),
        (files.note("Xen", 1, files.LINEAR.to_bytes(8, "little"))[:-3], "at RIP 0xff81000000"),
    ],
    ids=["none", "garbage", "an entry that is no address", "cut short"],
)
def test_broken_notes_of_xen_are_one_sentence(
    notes: bytes, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("kernel").write_bytes(files.elf(files.LEAVE, notes=notes))
    assert boot("kernel", "--technique=pv") == 1
    error = capsys.readouterr().err
    assert "FAILED: pv" in error
    assert sentence in error
    assert error.count("\n") == 1
