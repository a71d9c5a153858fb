"""Programs that use a disk and a network card through Linux's own drivers, under every technique and I/O model."""

from __future__ import annotations

import hashlib
import struct

import pytest

import techniques
import workloads
from hardware_model.devices.disk import DiskContent
from hardware_model.devices.network.station import DATA, HEADER, data_frame
from techniques import Skipped
from workloads.linux import kernels

FRAMES, BYTES, SEED = 128, 1500, 7
REQUESTS, SECTORS = 64, 8
TO_STATION = bytes.fromhex("020000000002020000000001") + b"\x88\xb5"
LONG = pytest.mark.soak
MODELS = [
    pytest.param("hvm-ept", "paravirtual"),
    pytest.param("hvm-shadow", "paravirtual", marks=LONG),
    pytest.param("bt", "paravirtual", marks=LONG),
    pytest.param("pv", "paravirtual", marks=LONG),
]
DISKS = [
    pytest.param("native", "emulated", marks=LONG),
    pytest.param("hvm-ept", "emulated", marks=LONG),
    pytest.param("hvm-shadow", "emulated", marks=LONG),
    pytest.param("bt", "emulated", marks=LONG),
    *MODELS,
]


@pytest.fixture(scope="module", autouse=True)
def _modules() -> None:
    if not kernels.modules(kernels.fetched()[0]):
        pytest.skip(kernels.NO_MODULES)


def _sum(data: bytes) -> int:
    words = len(data) // 8
    return sum(struct.unpack(f"<{words}Q", data[: words * 8])) % (1 << 64)


def _requests(sectors: int):
    return [[n * 4099 % 0x10000 + k for k in range(sectors)] for n in range(REQUESTS)]


@pytest.mark.parametrize(("technique", "io"), DISKS)
def test_linux_reads_the_disk_sector_by_sector(boot, technique: str, io: str) -> None:
    content = DiskContent()
    total = sum(_sum(content.read(s)) for request in _requests(SECTORS) for s in request)
    outcome = boot(technique, "linux/disk", io=io)
    expected = f"{REQUESTS:016x} {total % (1 << 64):016x} {0:016x}"
    assert outcome.outcome_parts["result"] == expected
    counts = outcome.counters_roi
    assert counts["io.disk.request"] == REQUESTS
    assert counts.get("vmm.disk_request", 0) == (0 if technique == "native" else REQUESTS)


@pytest.mark.soak
@pytest.mark.parametrize(("technique", "io"), DISKS)
def test_what_linux_writes_it_reads_back(boot, technique: str, io: str) -> None:
    written: dict[int, int] = {}  # sector to the sum of its words
    for number, request in enumerate(_requests(SECTORS)):
        for k, sector in enumerate(request):
            written[sector] = sum((number << 32) + k * 64 + n for n in range(64))
    total = sum(written[s] for request in _requests(SECTORS) for s in request)
    outcome = boot(technique, "linux/disk@write", io=io)
    assert outcome.outcome_parts["result"] == f"{REQUESTS:016x} {total:016x} {0:016x}"
    assert outcome.counters_roi["io.disk.request"] == REQUESTS


@pytest.mark.soak
def test_xens_devices_are_closed_without_waiting_for_them(boot) -> None:
    for program in ("linux/disk", "linux/network"):
        outcome = boot("pv", program, io="paravirtual")
        assert b"timeout closing device" not in outcome.console
        counts = outcome.counters_total
        assert counts["pv.grant_mapped"] == counts["pv.grant_unmapped"]


@pytest.mark.parametrize("technique", [pytest.param(t, marks=LONG) for t in ("hvm-shadow", "bt")])
def test_by_the_same_devices_linux_runs_the_same_to_the_time_stamp(boot, technique: str) -> None:
    native, guest = boot("native", "linux/disk"), boot(technique, "linux/disk")
    assert guest.console == native.console
    assert guest.instructions == native.instructions


@pytest.mark.parametrize(("technique", "io"), MODELS)
def test_linux_sends_and_receives_frames(boot, technique: str, io: str) -> None:
    digest, received = bytes(32), 0
    for number in range(FRAMES):
        digest = hashlib.sha256(digest + _sent(number)).digest()
        received += _sum(data_frame(SEED, number, BYTES)[HEADER:])
    outcome = boot(technique, "linux/network", io=io)
    words = [FRAMES, FRAMES * BYTES, *struct.unpack("<4Q", digest), FRAMES, received % (1 << 64)]
    assert outcome.outcome_parts["result"] == " ".join(f"{word:016x}" for word in words)
    counts = outcome.counters_roi
    assert counts["io.packet.sent"] >= FRAMES + 2
    assert counts["io.doorbell"] < FRAMES


def _sent(number: int) -> bytes:
    """Data frame `number` of the program: words that count up from the number's."""
    head = TO_STATION + struct.pack("<HQ", DATA, number)
    count = (BYTES - HEADER + 7) // 8
    return (head + struct.pack(f"<{count}Q", *((number << 32) + n for n in range(count))))[:BYTES]


@pytest.mark.parametrize(
    ("technique", "io", "program", "reason"),
    [
        ("native", "emulated", "network", "the EEPROM and the PHY"),
        ("native", "paravirtual", "disk", "there is no VMM"),
        ("bt", "emulated", "network", "the EEPROM and the PHY"),
        ("hvm-ept", "passthrough", "disk", "the drive's interrupt pin"),
        ("hvm-shadow", "passthrough", "network", "the EEPROM and the PHY"),
        ("pv", "emulated", "disk", "no emulated devices"),
        ("pv", "passthrough", "network", "no emulated devices"),
    ],
)
def test_where_linux_has_no_driver_the_cell_is_skipped_with_a_reason(
    technique: str, io: str, program: str, reason: str
) -> None:
    with pytest.raises(Skipped, match=reason):
        techniques.run_guest(technique, workloads.find(f"linux/{program}"), "small", io=io)
