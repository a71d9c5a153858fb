"""Somebody's own ramdisk and command line on a kernel, from the command line to results and a timeline."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from trapbench.cli import invoke
from workloads.linux import kernels, programs
from workloads.linux.initial_ramdisk import CONSOLE, REGULAR, Entry, archive

COMMAND_LINE = "console=ttyS0 console=hvc0 mitigations=off word=77"
"""Of two consoles the kernel uses those that there are: the first on a PC, the second under Xen."""
LONG = pytest.mark.soak
ALL = ("native", "hvm-ept", "hvm-shadow", "bt", "pv")
BOOTS = [
    pytest.param(kernels.PLAIN, ("native", "hvm-ept")),
    pytest.param(kernels.PLAIN, ("native", "hvm-shadow", "bt", "pv"), marks=LONG),
    pytest.param(kernels.PACKED, ALL, marks=LONG),
]
PROGRAM = """@user
user_main:
    lea rsi, [rip + greeting]
    mov edx, 15
    call print
    xor edi, edi
    jmp finish
@user_data
greeting: .ascii "mine, not yours"
"""


@pytest.fixture(scope="module")
def ramdisk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("initrd")
    (folder / "mine.asm").write_text(PROGRAM)
    init = programs.build(folder / "mine.asm", {}, 0)
    (folder / "initrd").write_bytes(archive((*CONSOLE, Entry("init", REGULAR, init))))
    return folder / "initrd"


@pytest.mark.parametrize(("file", "chosen"), BOOTS)
def test_a_kernel_a_ramdisk_and_a_command_line_are_a_cell_like_any_other(
    ramdisk: Path, tmp_path: Path, file: str, chosen: tuple[str, ...]
) -> None:
    import pandas as pd

    kernel = kernels.fetched()[0] / file
    boot = ("--kernel", str(kernel), "--initrd", str(ramdisk), "--append", COMMAND_LINE)
    out = ("--jobs", "1", "--no-cache", "--out", str(tmp_path / "run"))
    asked = [word for name in chosen for word in ("--technique", name)]
    assert invoke(["run", *boot, *asked, *out]) == 0
    runs = pd.read_parquet(tmp_path / "run" / "runs.parquet").set_index("technique")
    assert set(runs.index) == set(chosen)
    assert (runs["status"] == "ok").all(), runs["reason"]
    assert runs.drop("pv", errors="ignore")["instructions"].nunique() == 1
    assert runs["instructions"].min() > 10**9
    assert runs["console"].str.contains("mine, not yours").all()


def test_a_boot_has_a_timeline_with_every_exit(tmp_path: Path) -> None:
    out = tmp_path / "trace.json"
    assert invoke(["trace", "linux/boot", "--technique", "hvm-ept", "--out", str(out)]) == 0
    trace = json.loads(out.read_text())
    names = Counter(event.get("cat", "") for event in trace["traceEvents"] if event["ph"] != "M")
    assert sum(names.values()) > 100_000
    times = [event["ts"] for event in trace["traceEvents"] if "ts" in event and event["ph"] != "M"]
    assert max(times) > 10**9
    assert "linux/boot" in trace["otherData"]["title"]
