"""Shared rings: the same results with another driver, and exits by the bundle instead of by the register."""

from __future__ import annotations

import pytest

import techniques
from tests.techniques.io_models import cells
from tests.techniques.io_models.cells import IO

VMMS = ("hvm-ept", "hvm-shadow", "bt", "trap-and-emulate")


def run(technique, name, io="paravirtual", **knobs):
    settings = tuple((key.replace("_", "."), value) for key, value in knobs.items())
    return cells.run(technique, name, io, settings)


def counters(name, **knobs):
    return run("hvm-ept", name, **knobs).counters_roi


@pytest.mark.parametrize("name", IO)
@pytest.mark.parametrize("technique", (*VMMS, "pv"))
def test_results_are_those_of_the_native_driver(technique, name):
    native, virtual = run("native", name, "emulated"), run(technique, name)
    assert virtual.status == "ok", virtual.reason
    assert virtual.outcome_parts.items() <= native.outcome_parts.items()
    assert set(virtual.outcome_parts) == {"status", "console", "result"}
    assert virtual.counters_total.get("io.packet.dropped", 0) == 0


@pytest.mark.parametrize("name", IO)
def test_every_technique_retires_the_same_instructions(name):
    assert len({run(technique, name).instructions for technique in VMMS}) == 1


def test_a_disk_request_takes_three_exits():
    """The notification, HLT and the end of the interrupt."""
    found = counters("io/disk-read")
    assert found["exits"] == 3 * 32
    assert found["exit.io_instruction"] == found["exit.hlt"] == found["exit.ept_violation"] == 32


def test_frames_of_a_bundle_share_one_interrupt():
    found = counters("io/network-receive@64")
    assert (found["io.packet.received"], found["injection.interrupt"], found["exits"]) == (
        128,
        5,
        11,
    )


def test_without_batching_nearly_each_frame_interrupts():
    found = counters("io/network-receive@256", rings_batching=False)
    assert found["injection.interrupt"] == 128
    assert found["exits"] == 2 * 128 + 1


def test_one_notification_is_enough_while_the_back_end_is_at_work():
    found = counters("io/network-transmit@unbatched")
    assert found["io.doorbell"] == 1
    assert found["io.packet.sent"] == 129


def test_without_suppression_each_kick_is_an_exit():
    found = counters("io/network-transmit@unbatched", virtio_suppression="off")
    assert found["io.doorbell"] == found["exit.io_instruction"] == 130


def test_flags_let_one_interrupt_in_for_each_buffer_while_the_driver_waits():
    assert counters("io/network-transmit", virtio_suppression="flags")["injection.interrupt"] == 65
    assert counters("io/network-transmit")["injection.interrupt"] == 3


def test_a_driver_that_sees_that_nothing_is_wanted_rings_no_bell():
    found = counters("io/doorbells")
    assert found.get("exits", 0) == found.get("io.doorbell", 0) == 0


@pytest.mark.parametrize("traps", ["bounced", "direct"])
def test_a_ported_guest_rings_by_hypercalls(traps):
    """A disk request: the event sent, the guest blocked, and the return from the upcall."""
    found = run("pv", "io/disk-read", pv_traps=traps).counters_roi
    assert found["hypercall.event_channel_op"] == found["io.doorbell"] == 32
    assert found["pv.upcall"] in (33, 34)
    assert found["pv.grant_mapped"] == found["pv.grant_unmapped"] == 32
    assert found.get("vmm.bytes_copied", 0) == 0  # the drive reaches mapped pages by itself


def test_a_large_request_of_a_ported_guest_is_two_of_eleven_pages_at_most():
    found = run("pv", "io/disk-read@64k").counters_roi
    assert found["io.disk.request"] == 64
    assert found["pv.grant_mapped"] == 32 * 16
    assert found["io.doorbell"] == found["io.interrupt"] == 32


def test_frames_of_a_ported_guest_are_copied_by_grants():
    found = run("pv", "io/network-receive").counters_roi
    assert found["pv.grant_copy"] == 128 + 1
    assert found["pv.grant_copy.bytes"] == 128 * 1500 + 60
    assert (found["io.interrupt"], found["io.interrupt.coalesced"]) == (62, 67)


def test_one_event_is_enough_while_the_back_end_is_at_work():
    found = run("pv", "io/network-transmit@unbatched").counters_roi
    assert found["io.doorbell"] == 1
    assert found["pv.grant_copy.bytes"] == 128 * 1500 + 60 + 72


def test_the_bare_machine_has_no_back_end():
    with pytest.raises(techniques.Skipped, match="there is no VMM"):
        run("native", "io/doorbells")
