"""A ramdisk whose script has Linux's own drivers read, write and read back a disk and send frames."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

import techniques
import workloads
from hardware_model.devices.disk import DiskContent
from techniques import Outcome
from workloads.linux import kernels
from workloads.linux.initial_ramdisk import CONSOLE, DIRECTORY, REGULAR, Entry, archive

BLOCKS = 64
SCRIPT = """#!/bin/busybox sh
bb=/bin/busybox
$bb mount -t proc proc /proc; $bb mount -t sysfs sys /sys; $bb mount -t devtmpfs dev /dev
for m in {modules}; do $bb insmod /$m; done
while [ ! -b {disk} ]; do $bb sleep 1; done
echo read $($bb dd if={disk} bs=4096 count={blocks} 2>/dev/null | $bb md5sum)
$bb dd if=$bb of={disk} bs=4096 count={blocks} seek=100 2>/dev/null; $bb sync
echo 3 > /proc/sys/vm/drop_caches
echo again $($bb dd if={disk} bs=4096 count={blocks} skip=100 2>/dev/null | $bb md5sum)
$bb ifconfig eth0 10.0.0.1 up; $bb arping -c 2 -w 1 -I eth0 10.0.0.2
$bb ifconfig eth0
$bb cat /proc/interrupts
$bb poweroff -f
"""


def boot(
    technique: str, folder: Path, names: tuple[str, ...], disk: str, append: str, initrd: Path
) -> Outcome:
    """The kernel in `folder` with its modules `names`; skipped where they were not fetched."""
    files = kernels.modules(folder, names)
    if not files:
        pytest.skip("the modules are not there: `trapbench fetch linux` gets them")
    initrd.write_bytes(_ramdisk(files, disk))
    source = {
        "name": "linux/drivers",
        "program": "",
        "append": append,
        "kernel": str(folder / kernels.PLAIN),
        "initrd": str(initrd),
    }
    workload = workloads.find(json.dumps(source))
    ended = techniques.run_guest(technique, workload, "small", io="paravirtual")
    assert ended.status == "ok", f"{ended.reason}\n{ended.console.decode()[-3000:]}"
    return ended


def _ramdisk(modules: list[Path], disk: str) -> bytes:
    busybox = kernels.busybox()
    assert busybox is not None
    loaded = " ".join(file.name for file in modules)
    script = SCRIPT.format(modules=loaded, disk=disk, blocks=BLOCKS)
    folders = tuple(Entry(name, DIRECTORY) for name in ("bin", "proc", "sys"))
    files = (
        Entry("bin/busybox", REGULAR, busybox.read_bytes()),
        Entry("init", REGULAR, script.encode()),
        *(Entry(file.name, REGULAR, file.read_bytes()) for file in modules),
    )
    return archive((*CONSOLE, *folders, *files))


def check_what_was_moved(ended: Outcome) -> None:
    """The disk's content was read, what was written is read again, and frames were sent."""
    content, busybox = DiskContent(), kernels.busybox()
    assert busybox is not None
    read = b"".join(content.read(n) for n in range(BLOCKS * 8))
    console = ended.console.decode()
    assert f"read {hashlib.md5(read).hexdigest()}" in console
    assert f"again {hashlib.md5(busybox.read_bytes()[: BLOCKS * 4096]).hexdigest()}" in console
    assert "HWaddr 02:00:00:00:00:01" in console
    assert ended.counters_total["io.packet.sent"] > 2
