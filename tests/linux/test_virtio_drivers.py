"""Debian's own virtio_pci, virtio_blk and virtio_net on our virtio devices, with MSI-X."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.linux.drivers_at_work import BLOCKS, boot, check_what_was_moved
from workloads.linux import kernels

COMMAND_LINE = "console=ttyS0 mitigations=off pci=conf1"


@pytest.mark.soak
@pytest.mark.parametrize(
    ("technique", "which"), [("hvm-ept", 0), ("hvm-ept", -1), ("hvm-shadow", 0), ("bt", 0)]
)
def test_linux_drives_disk_and_network_by_its_own_virtio_drivers(
    tmp_path: Path, technique: str, which: int
) -> None:
    folder, names = kernels.fetched()[which], kernels.VIRTIO
    ended = boot(technique, folder, names, "/dev/vda", COMMAND_LINE, tmp_path / "initrd")
    check_what_was_moved(ended)
    counts, console = ended.counters_total, ended.console.decode()
    assert counts["io.disk.request"] >= 2 * BLOCKS
    assert 0 < counts["io.doorbell"] < counts["io.disk.request"]
    for queue in ("virtio0-req.0", "virtio1-input.0", "virtio1-output.0"):
        assert f"-edge      {queue}" in console
