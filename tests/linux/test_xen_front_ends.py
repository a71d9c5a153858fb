"""Debian's own xen-blkfront and xen-netfront on our Xenstore, block and network back ends."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.linux.drivers_at_work import BLOCKS, boot, check_what_was_moved
from workloads.linux import kernels


@pytest.mark.soak
@pytest.mark.parametrize("which", [0, -1])
def test_linux_drives_disk_and_network_by_its_own_front_ends(tmp_path: Path, which: int) -> None:
    folder, names = kernels.fetched()[which], kernels.FRONT_ENDS
    ended = boot("pv", folder, names, "/dev/xvda", "console=hvc0", tmp_path / "initrd")
    check_what_was_moved(ended)
    counts = ended.counters_total
    assert counts["io.disk.request"] > 2 * BLOCKS // 11
    assert (
        counts["pv.grant_mapped"] == counts["pv.grant_unmapped"]
    )  # rings, too: the devices are closed at the end
    assert counts["pv.grant_copy"] >= counts["io.packet.sent"]
