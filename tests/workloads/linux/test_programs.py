"""What is built for Linux without a kernel at hand: executables, ramdisks, and sentences about what is missing."""

from __future__ import annotations

import struct
from dataclasses import replace
from pathlib import Path

import pytest

import techniques
import workloads
from hardware_model.linux_boot.elf import Elf
from hardware_model.linux_boot.errors import KernelError
from hardware_model.machine import End
from techniques import linux_outcome
from tests.hardware_model.linux_boot import kernel_files
from workloads.linux import initial_ramdisk, kernels, programs
from workloads.linux.initial_ramdisk import CONSOLE, REGULAR, Entry

PROGRAMS = [w for w in workloads.linux() if w.boot.program != "busybox"]


@pytest.fixture
def nothing_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(kernels, "directory", lambda: tmp_path)
    return tmp_path


@pytest.mark.parametrize("workload", PROGRAMS, ids=lambda w: w.name)
def test_every_program_is_an_executable_with_its_parameters(workload) -> None:
    parameters = workload.named_parameters("standard")
    devices = "devices" in workload.needs
    built = programs.build(workload.path, parameters, len(workload.slots), devices=devices)
    program = Elf(built, "init")
    code, data = program.segments()
    assert code.linear <= program.entry < code.linear + len(code.data)
    values = struct.pack(f"<{len(parameters)}Q", *parameters.values())
    assert values in data.data
    assert not (code.linear | data.linear) & 0xFFF


def test_a_program_without_a_start_is_refused(tmp_path: Path) -> None:
    source = tmp_path / "p.asm"
    source.write_text("@user\nmain: nop\n")
    with pytest.raises(workloads.WorkloadError, match="does not define user_main"):
        programs.build(source, {}, 0)


def test_a_ramdisk_has_its_files_in_order_on_boundaries_of_four() -> None:
    archive = initial_ramdisk.archive((*CONSOLE, Entry("init", REGULAR, b"12345")))
    found, at = [], 0
    while True:
        assert archive[at : at + 6] == b"070701"
        fields = [int(archive[at + 6 + 8 * n : at + 14 + 8 * n], 16) for n in range(13)]
        name = archive[at + 110 : at + 110 + fields[11] - 1].decode()
        if name == "TRAILER!!!":
            break
        data_at = at + (110 + fields[11] + 3) // 4 * 4
        found.append((name, fields[1], archive[data_at : data_at + fields[6]], tuple(fields[9:11])))
        at = data_at + (fields[6] + 3) // 4 * 4
    assert found == [
        ("dev", 0o040755, b"", (0, 0)),
        ("dev/console", 0o020600, b"", (5, 1)),
        ("init", 0o100755, b"12345", (0, 0)),
    ]


def test_without_a_kernel_cells_are_skipped_and_say_what_to_do(nothing_fetched: Path) -> None:
    with pytest.raises(techniques.Skipped, match="`trapbench fetch linux` gets one"):
        techniques.run_guest("native", workloads.find("linux/boot"), "small")


def test_the_oldest_release_fetched_is_the_default(nothing_fetched: Path) -> None:
    for release in ("6.12.9-amd64", "6.1.0-50-amd64", "6.1.0-6-amd64"):
        (nothing_fetched / release).mkdir()
        (nothing_fetched / release / "vmlinux").write_bytes(kernel_files.elf())
    assert kernels.default() == nothing_fetched / "6.1.0-6-amd64" / "vmlinux"


def test_cells_are_named_after_the_kernel_that_was_named(nothing_fetched: Path) -> None:
    for file in ("vmlinux", "vmlinuz"):
        assert kernels.title(nothing_fetched / "6.1.0-6-amd64" / file).startswith("6.1.0-6-amd64")
    (named,) = (w for w in workloads.linux("/boot/mine") if w.boot.program == "boot")
    assert named.name == "linux/boot on mine"
    assert workloads.find(named.source) == named


def test_the_digest_follows_kernel_and_ramdisk(tmp_path: Path) -> None:
    kernel, initrd = tmp_path / "k", tmp_path / "i"
    kernel.write_bytes(kernel_files.elf(b"a"))
    initrd.write_bytes(b"1")
    one = workloads.anybodys(str(kernel), str(initrd), "quiet")
    digest = one.digest
    assert workloads.find(one.source) == one
    initrd.write_bytes(b"22")
    assert one.digest != digest
    assert replace(one, boot=replace(one.boot, append="x")).name == one.name


def test_files_that_cannot_be_booted_are_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(KernelError, match="nowhere cannot be read: No such file"):
        workloads.anybodys(str(tmp_path / "nowhere"), "", "")
    (tmp_path / "k").write_bytes(kernel_files.elf())
    with pytest.raises(KernelError, match="initrd cannot be read"):
        workloads.anybodys(str(tmp_path / "k"), str(tmp_path / "initrd"), "")


CONSOLE_TEXT = (
    b"[    0.000000] Linux version 6.1\r\n[    1.250000] Run /init as init process\r\n"
    b"hello\r\n[    1.300000] clocksource: tsc\r\ntrapbench-result 00000000000000ff\r\n"
    b"trapbench-status 0000000000000000\r\n[    1.400000] reboot: System halted\r\n"
)


def test_time_stamps_are_not_compared_and_kernel_lines_not_with_userland() -> None:
    later = CONSOLE_TEXT.replace(b"1.2", b"9.7").replace(b"0.0", b"0.1")
    assert linux_outcome.parts(later) == linux_outcome.parts(CONSOLE_TEXT)
    other = CONSOLE_TEXT.replace(b"clocksource: tsc", b"clocksource: xen")
    parts, ours = linux_outcome.parts(other), linux_outcome.parts(CONSOLE_TEXT)
    assert parts["kernel"] != ours["kernel"]
    assert parts["userland"] == ours["userland"]
    assert ours["result"] == "00000000000000ff"
    changed = linux_outcome.parts(CONSOLE_TEXT.replace(b"hello", b"hallo"))
    assert changed["userland"] != ours["userland"]


@pytest.mark.parametrize(
    ("end", "text", "status", "reason"),
    [
        (End.HALTED, CONSOLE_TEXT, "ok", ""),
        (End.BUDGET, CONSOLE_TEXT, "failed", "instruction budget at RIP 0x1"),
        (End.HALTED, b"", "failed", "halted; its program gave no status"),
        (End.RESET, b"trapbench-status 0000000000000003\r\n", "failed", "program gave status 3"),
        (
            End.HALTED,
            b"[    2.0] Kernel panic - not syncing: VFS: Unable to mount root fs\r\n",
            "failed",
            "the kernel panicked: VFS: Unable to mount root fs",
        ),
    ],
)
def test_a_run_is_judged_by_its_end_and_by_what_its_program_said(end, text, status, reason) -> None:
    verdict = linux_outcome.verdict(end, text, "at RIP 0x1", announces=True)
    assert verdict[0] == status
    assert reason in verdict[1]


def test_without_modules_programs_with_devices_are_skipped_and_say_what_to_do(
    nothing_fetched: Path,
) -> None:
    (nothing_fetched / "6.1.0-6-amd64").mkdir()
    (nothing_fetched / "6.1.0-6-amd64" / "vmlinux").write_bytes(kernel_files.elf())
    for program in ("disk", "network"):
        with pytest.raises(techniques.Skipped, match=r"no modules .* `trapbench fetch linux` gets"):
            techniques.run_guest("bt", workloads.find(f"linux/{program}"), "small", "paravirtual")


def test_programs_with_devices_have_the_drivers_in_their_ramdisk_in_order(
    nothing_fetched: Path,
) -> None:
    folder = nothing_fetched / "6.1.0-6-amd64" / "modules"
    folder.mkdir(parents=True)
    (folder.parent / "vmlinux").write_bytes(kernel_files.elf())
    for name in kernels.DRIVERS:
        (folder / f"{name}.ko").write_bytes(f"module {name};".encode())
    disk = workloads.find("linux/disk")
    before = disk.digest
    kernel = disk.kernel("small", ported=False)
    assert kernel.command_line.endswith(" pci=conf1")
    found = [kernel.initrd.index(f"module {name};".encode()) for name in kernels.DRIVERS]
    assert found == sorted(found)
    assert kernel.initrd.index(b"modules/00\0") < kernel.initrd.index(b"modules/15\0")
    (folder / "sd_mod.ko").write_bytes(b"another")
    assert disk.digest != before


def test_of_a_quiet_kernel_all_lines_but_its_own_are_compared() -> None:
    said = b"mine, not yours\r\ntrapbench-status 0000000000000000\r\n[    1.4] reboot: System halted\r\n"
    start = b"mapping kernel into physical memory\nabout to get started...\n[    0.0] CPU: odd\r\n"
    native, ported = linux_outcome.parts(said), linux_outcome.parts(start + said)
    assert ported["userland"] == native["userland"]
    lost = linux_outcome.parts(start + said.replace(b"mine, not yours\r\n", b""))
    assert lost["userland"] != native["userland"]
