"""Debian's own xen-blkfront and xen-netfront on our Xenstore, block and network back ends."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

import techniques
import workloads
from hardware_model.devices.disk import DiskContent
from workloads.linux import kernels
from workloads.linux.initial_ramdisk import CONSOLE, DIRECTORY, REGULAR, Entry, archive

BLOCKS = 64
SCRIPT = f"""#!/bin/busybox sh
bb=/bin/busybox
$bb mount -t proc proc /proc; $bb mount -t sysfs sys /sys; $bb mount -t devtmpfs dev /dev
$bb insmod /xen-blkfront.ko; $bb insmod /xen-netfront.ko
while [ ! -b /dev/xvda ]; do $bb sleep 1; done
echo read $($bb dd if=/dev/xvda bs=4096 count={BLOCKS} 2>/dev/null | $bb md5sum)
$bb dd if=$bb of=/dev/xvda bs=4096 count={BLOCKS} seek=100 2>/dev/null; $bb sync
echo 3 > /proc/sys/vm/drop_caches
echo again $($bb dd if=/dev/xvda bs=4096 count={BLOCKS} skip=100 2>/dev/null | $bb md5sum)
$bb ifconfig eth0 10.0.0.1 up; $bb arping -c 2 -w 1 -I eth0 10.0.0.2
$bb ifconfig eth0
$bb poweroff -f
"""


def ramdisk(folder: Path) -> bytes:
    busybox = kernels.busybox()
    assert busybox is not None
    folders = tuple(Entry(name, DIRECTORY) for name in ("bin", "proc", "sys"))
    files = (
        Entry("bin/busybox", REGULAR, busybox.read_bytes()),
        Entry("init", REGULAR, SCRIPT.encode()),
        *(Entry(file.name, REGULAR, file.read_bytes()) for file in kernels.modules(folder)),
    )
    return archive((*CONSOLE, *folders, *files))


@pytest.mark.soak
@pytest.mark.parametrize("which", [0, -1])
def test_linux_drives_disk_and_network_by_its_own_front_ends(tmp_path: Path, which: int) -> None:
    folder = kernels.fetched()[which]
    if not kernels.modules(folder):
        pytest.skip("the modules are not there: `trapbench fetch linux` gets them")
    initrd = tmp_path / "initrd"
    initrd.write_bytes(ramdisk(folder))
    boot = {"name": "linux/front-ends", "program": "", "append": "console=hvc0"}
    source = boot | {"kernel": str(folder / kernels.PLAIN), "initrd": str(initrd)}
    workload = workloads.find(json.dumps(source))
    ended = techniques.run_guest("pv", workload, "small", io="paravirtual")
    assert ended.status == "ok", f"{ended.reason}\n{ended.console.decode()[-3000:]}"

    disk, busybox = DiskContent(), kernels.busybox()
    assert busybox is not None
    read = b"".join(disk.read(n) for n in range(BLOCKS * 8))
    console = ended.console.decode()
    assert f"read {hashlib.md5(read).hexdigest()}" in console
    assert f"again {hashlib.md5(busybox.read_bytes()[: BLOCKS * 4096]).hexdigest()}" in console
    assert "HWaddr 02:00:00:00:00:01" in console
    counts = ended.counters_total
    assert counts["io.disk.request"] > 2 * BLOCKS // 11
    assert (
        counts["pv.grant_mapped"] == counts["pv.grant_unmapped"]
    )  # rings, too: the devices are closed at the end
    assert counts["io.packet.sent"] > 2
    assert counts["pv.grant_copy"] >= counts["io.packet.sent"]
