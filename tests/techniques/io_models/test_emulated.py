"""Emulated devices: the guest cannot tell the VMM's models from the machine's devices; each access costs an entry."""

from __future__ import annotations

import pytest

import techniques
import workloads
from tests.techniques.io_models import cells
from tests.techniques.io_models.cells import IO

VMMS = ("hvm-ept", "hvm-shadow", "bt", "trap-and-emulate")


def run(technique, name):
    return cells.run(technique, name, "emulated")


@pytest.mark.parametrize("name", IO)
@pytest.mark.parametrize("technique", VMMS)
def test_the_guest_ends_as_natively(technique, name):
    native, virtual = run("native", name), run(technique, name)
    assert virtual.status == "ok", virtual.reason
    assert virtual.outcome_parts == native.outcome_parts
    assert virtual.instructions == native.instructions


@pytest.mark.parametrize("name", IO)
@pytest.mark.parametrize("technique", VMMS)
def test_the_vmm_serves_each_access_that_natively_reaches_a_device(technique, name):
    native, virtual = run("native", name).counters_roi, run(technique, name).counters_roi
    ports = native.get("port.in", 0) + native.get("port.out", 0)
    registers = native.get("mmio.read", 0) + native.get("mmio.write", 0)
    assert virtual.get("device.port", 0) == ports
    assert virtual.get("device.mmio", 0) == registers


@pytest.mark.parametrize("technique", VMMS)
def test_the_vmm_copies_what_natively_moves_by_dma(technique):
    native = run("native", "io/network-receive").counters_roi
    moved = native["dma.bytes_read"] + native["dma.bytes_written"]
    virtual = run(technique, "io/network-receive").counters_roi
    assert virtual["vmm.bytes_copied"] == moved
    assert not any(name.startswith("dma.") for name in virtual)


def test_a_disk_request_takes_twelve_exits_under_vtx():
    """Nine OUT, one IN, the store that ends the interrupt, and HLT."""
    counters = run("hvm-ept", "io/disk-read").counters_roi
    assert counters["exits"] == 12 * 32
    assert counters["exit.io_instruction"] == 10 * 32
    assert counters["exit.ept_violation"] == counters["exit.hlt"] == 32


def test_an_interrupt_of_the_storm_takes_four_exits_under_vtx():
    """The host's interrupt, the cause register, the end of interrupt, and the buffer given back."""
    counters = run("hvm-ept", "io/interrupt-storm").counters_roi
    assert counters["exit.external_interrupt"] == 256 + 1
    assert counters["exit.ept_violation"] == 3 * 256 + 1
    assert counters["injection.interrupt"] == 256


def test_a_ported_guest_has_no_emulated_devices():
    with pytest.raises(techniques.Skipped, match="shared rings"):
        techniques.run_guest("pv", workloads.find("io/doorbells"), "small", io="emulated")


def test_an_unknown_model_is_refused_by_name():
    with pytest.raises(ValueError, match="no I/O model 'telepathy'"):
        techniques.run_guest("native", workloads.find("io/doorbells"), "small", io="telepathy")
