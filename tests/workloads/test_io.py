"""The io family on the bare machine: what the guest received and sent is what the devices gave and got."""

from __future__ import annotations

import hashlib
import struct
from functools import cache

import pytest

import techniques
import workloads
from hardware_model import presets
from hardware_model.cost_table import COSTS
from hardware_model.devices.generated_data import words
from hardware_model.devices.network.station import (
    CARD_ADDRESS,
    ETHERTYPE,
    STATION_ADDRESS,
    data_frame,
)

MASK = (1 << 64) - 1


@cache
def outcome(name):
    return techniques.run_guest("native", workloads.find(name), "small")


def results(name, count):
    text = outcome(name).outcome_parts["result"]
    return struct.unpack(f"<{count}Q", bytes.fromhex(text).ljust(8 * count, b"\0"))


def total(data):
    return sum(struct.unpack(f"<{len(data) >> 3}Q", data[: len(data) & ~7])) & MASK


@pytest.mark.parametrize(
    ("variant", "size"), [("@64", 64), ("@256", 256), ("@1024", 1024), ("", 1500)]
)
def test_every_frame_arrives_once_in_order_and_whole(variant, size):
    data = sum(total(data_frame(1, n, size)[24:]) for n in range(128)) & MASK
    assert results(f"io/network-receive{variant}", 4) == (128, data, 0, 128 * size)


@pytest.mark.parametrize(
    ("variant", "size"), [("@64", 64), ("@256", 256), ("@1024", 1024), ("", 1500)]
)
def test_the_station_digests_what_the_driver_sent(variant, size):
    digest = bytes(32)
    for n in range(128):
        head = STATION_ADDRESS + CARD_ADDRESS + ETHERTYPE + struct.pack("<HII", 4, n, 0)
        count = size - 24 >> 3
        body = struct.pack(f"<{count}Q", *[(n << 32) + i for i in range(count)])
        digest = hashlib.sha256(digest + (head + body).ljust(size, b"\0")).digest()
    name = f"io/network-transmit{variant}"
    assert results(name, 6) == (128, 128 * size, *struct.unpack("<4Q", digest))


@pytest.mark.parametrize(("variant", "sectors"), [("", 8), ("@64k", 128)])
def test_the_disk_gives_its_sectors(variant, sectors):
    firsts = [n * 4099 & 0xFFFF for n in range(32)]
    data = sum(total(words(0, first * 64, sectors * 64)) for first in firsts) & MASK
    assert results(f"io/disk-read{variant}", 3) == (32, data, 0)


@pytest.mark.parametrize("variant", ["", "@64k"])
def test_what_was_written_to_the_disk_is_read_back(variant):
    assert results(f"io/disk-write{variant}", 3) == (16, 0, 0)


def test_each_small_frame_of_the_storm_interrupts():
    counters = outcome("io/interrupt-storm").counters_roi
    assert results("io/interrupt-storm", 2) == (256, 256 * 64)
    assert counters["io.interrupt"] == counters["io.packet.received"] == 256
    assert "io.interrupt.coalesced" not in counters


def test_moderation_makes_one_interrupt_of_ten_frames():
    counters = outcome("io/interrupt-storm@moderated").counters_roi
    assert (counters["io.interrupt"], counters["io.interrupt.coalesced"]) == (26, 230)


def test_a_doorbell_is_one_store():
    counters = outcome("io/doorbells").counters_roi
    assert counters["io.doorbell"] == counters["mmio.write"] == 500


@pytest.mark.parametrize("policy", ["", "@deferred", "@static"])
def test_frames_leave_through_dma_remapping_as_without(policy):
    assert results(f"io/dma-mapping{policy}", 6) == results("io/network-transmit", 6)
    counters = outcome(f"io/dma-mapping{policy}").counters_total
    assert counters["vtd.request"] == counters["dma.read"] + counters["dma.write"]
    assert counters.get("vtd.blocked", 0) == 0


def test_strict_unmapping_waits_for_every_buffer_and_deferred_for_a_batch():
    """Of 128 buffers and the request for the report 80 have been taken back when the run ends."""
    strict, deferred, static = (
        outcome(f"io/dma-mapping{policy}").counters_roi for policy in ("", "@deferred", "@static")
    )
    assert strict["vtd.queue.wait"] == strict["vtd.iotlb.invalidate.page"] == 80
    assert deferred["vtd.queue.wait"] == deferred["vtd.iotlb.invalidate.domain"] == 80 // 32
    assert static.get("vtd.queue.wait", 0) == 0


def test_waiting_for_invalidations_is_most_of_strict_unmapping_and_little_of_deferred():
    shares = []
    for policy in ("", "@deferred", "@static"):
        counters = outcome(f"io/dma-mapping{policy}").counters_roi
        priced = {cost.key: sum(counters.get(c, 0) for c in cost.counters) for cost in COSTS}
        preset = presets.load("nehalem")
        total = {key: n * preset.costs[key].value for key, n in priced.items() if n}
        shares.append(total.get("iommu.invalidate", 0) / sum(total.values()))
    strict, deferred, static = shares
    assert strict > 0.5
    assert deferred < 0.05
    assert static == 0


def test_under_a_vmm_there_is_no_remapping_unit_to_drive():
    with pytest.raises(techniques.Skipped, match="VT-d unit, which a VMM keeps"):
        techniques.run_guest("hvm-ept", workloads.find("io/dma-mapping"), "small")


def test_no_frame_is_dropped_in_any_workload():
    for workload in workloads.all():
        if workload.family == "io":
            assert outcome(workload.name).counters_total.get("io.packet.dropped", 0) == 0
