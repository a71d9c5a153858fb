"""Devices reach what their domain maps, lose it by the policy's rules, and faults are told."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from hardware_model import counters as counter_table
from hardware_model.devices.dma import DmaBlocked
from hardware_model.machine import Machine
from hardware_model.vtd.fault_reasons import FaultReason
from hardware_model.vtd.tables import READ, AddressWidth
from techniques.assignment import DEFERRED, STRICT, Assignment, Fault
from techniques.assignment.domain import MappingError
from techniques.assignment.unmapping import BATCH, MAXIMUM_AGE
from techniques.frames import FrameAllocator

MIB = 1 << 20
RAM = 16 * MIB
DEVICE, OTHER = 0x0010, 0x0418
BUFFER, TARGET = 0x5000, 8 * MIB


class Host:
    """A machine with the driver on it."""

    def __init__(self, policy: str = STRICT) -> None:
        self.machine = Machine(RAM)
        frames = FrameAllocator(MIB, 4 * MIB)
        self.assignment = Assignment(self.machine, frames, policy)
        self.assignment.enable()
        self.domain = self.assignment.new_domain()
        self.assignment.attach(DEVICE, self.domain)

    def count(self, name: str) -> int:
        return int(self.machine.counters[counter_table.index(name)])

    def reads(self, address: int, device: int = DEVICE) -> bool:
        try:
            self.machine.remapping.read(device, address, 4)
        except DmaBlocked:
            return False
        return True


@pytest.fixture
def host() -> Callable[..., Host]:
    return Host


def test_a_device_reaches_what_its_domain_maps_and_nothing_else(host: Callable[..., Host]) -> None:
    h = host()
    h.domain.map(BUFFER, TARGET, 0x2000)
    h.machine.remapping.write(DEVICE, BUFFER + 0xFFC, b"12345678")
    assert h.machine.memory.read(TARGET + 0xFFC, 8) == b"12345678"
    assert not h.reads(BUFFER + 0x2000)
    assert not h.reads(BUFFER, OTHER)
    assert h.assignment.faults() == [
        Fault(DEVICE, FaultReason.READ_DENIED, BUFFER + 0x2000, True),
        Fault(OTHER, FaultReason.ROOT_NOT_PRESENT, BUFFER, True),
    ]
    assert h.assignment.faults() == []
    assert (h.count("iommu.map"), h.count("iommu.fault_handled")) == (2, 2)


def test_a_fault_reads_as_a_sentence() -> None:
    fault = Fault(DEVICE, FaultReason.WRITE_DENIED, 0x7000, False)
    assert str(fault).startswith("00:02.0 DMA write at 0x7000: ")
    assert "index 3" in str(Fault(DEVICE, FaultReason.SOURCE_MISMATCH, 3, False))


def test_strict_unmapping_is_effective_at_once(host: Callable[..., Host]) -> None:
    h = host()
    h.domain.map(BUFFER, TARGET, 0x3000)
    assert all(h.reads(BUFFER + n * 0x1000) for n in range(3))
    waits = h.count("vtd.queue.wait")
    h.domain.unmap(BUFFER, 0x3000)  # pages 5 to 7 lie in one aligned block of four
    assert not any(h.reads(BUFFER + n * 0x1000) for n in range(3))
    assert h.count("vtd.queue.wait") == waits + 1
    assert h.count("vtd.iotlb.invalidate.page") == 1
    assert (h.count("vtd.iotlb.stale"), h.count("iommu.exposure")) == (0, 0)


def test_a_mask_covers_a_range_that_straddles_its_alignment(host: Callable[..., Host]) -> None:
    h = host()
    h.domain.map(0x7000, TARGET, 0x2000)
    assert h.reads(0x7000) and h.reads(0x8000)
    h.domain.unmap(0x7000, 0x2000)
    assert not h.reads(0x7000)
    assert not h.reads(0x8000)


def test_deferred_unmapping_leaves_a_window_and_measures_it(host: Callable[..., Host]) -> None:
    h = host(DEFERRED)
    h.domain.map(BUFFER, TARGET, 0x1000)
    assert h.reads(BUFFER)
    h.domain.unmap(BUFFER, 0x1000)
    assert h.reads(BUFFER)
    assert h.count("vtd.iotlb.stale") == 1
    due = h.machine.platform.next_event()
    assert due == MAXIMUM_AGE
    h.machine.words[64] = due  # CLOCK
    h.machine.platform.advance()
    assert not h.reads(BUFFER)
    assert h.count("iommu.exposure") == MAXIMUM_AGE
    assert (h.count("iommu.deferred"), h.count("iommu.flush")) == (1, 1)
    assert h.machine.platform.next_event() is None


def test_a_full_batch_is_flushed_with_one_invalidation(host: Callable[..., Host]) -> None:
    h = host(DEFERRED)
    waits = h.count("vtd.queue.wait")
    for _ in range(BATCH):
        h.domain.map(BUFFER, TARGET, 0x1000)
        h.domain.unmap(BUFFER, 0x1000)
    assert h.count("vtd.queue.wait") == waits + 1
    assert h.count("iommu.unmap") == h.count("iommu.deferred") == BATCH


def test_strict_waits_as_often_as_it_unmaps(host: Callable[..., Host]) -> None:
    h = host()
    waits = h.count("vtd.queue.wait")
    for _ in range(300):  # more than the queue's ring holds at once
        h.domain.map(BUFFER, TARGET, 0x1000)
        h.domain.unmap(BUFFER, 0x1000)
    assert h.count("vtd.queue.wait") == waits + 300


def test_a_reassigned_device_loses_its_old_domain(host: Callable[..., Host]) -> None:
    h = host()
    h.domain.map(BUFFER, TARGET, 0x1000)
    assert h.reads(BUFFER)
    h.assignment.attach(DEVICE, h.assignment.new_domain())
    assert not h.reads(BUFFER)
    h.assignment.pass_through(DEVICE)
    assert h.reads(TARGET)
    h.assignment.detach(DEVICE)
    assert not h.reads(TARGET)
    assert [f.reason for f in h.assignment.faults()] == [
        FaultReason.READ_DENIED,
        FaultReason.CONTEXT_NOT_PRESENT,
    ]


@pytest.mark.parametrize("width", AddressWidth)
@pytest.mark.parametrize("size", [1 << 12, 1 << 21])
def test_large_pages_and_both_widths(
    host: Callable[..., Host], width: AddressWidth, size: int
) -> None:
    h = host()
    domain = h.assignment.new_domain(width)
    h.assignment.attach(OTHER, domain)
    domain.map(4 * size, TARGET, size, READ, page_size=size)
    assert h.reads(4 * size + size - 4, OTHER)
    with pytest.raises(DmaBlocked):
        h.machine.remapping.write(OTHER, 4 * size, b"x")
    domain.unmap(4 * size, size, page_size=size)
    assert not h.reads(4 * size, OTHER)


def test_mappings_that_cannot_be_are_refused(host: Callable[..., Host]) -> None:
    h = host()
    h.domain.map(2 * MIB, TARGET, 2 * MIB, page_size=2 * MIB)
    for request, sentence in (
        ((2 * MIB, TARGET, 0x1000), "larger page"),
        ((0x1001, TARGET, 0x1000), "whole pages"),
        ((1 << 48, TARGET, 0x1000), "beyond 48 bits"),
        ((0, TARGET, 0x1000, READ, 0x3000), "page size"),
    ):
        with pytest.raises(MappingError, match=sentence):
            h.domain.map(*request)
    with pytest.raises(MappingError, match="not mapped"):
        h.domain.unmap(0x9000, 0x1000)


def test_interrupt_entries_are_for_one_device(host: Callable[..., Host]) -> None:
    h = host()
    apic = h.machine.platform.apic
    apic.write_register(0xF0, 4, 0x1FF)
    address = h.assignment.interrupt(DEVICE, 0x60)
    h.machine.remapping.message(DEVICE, address, 0)
    assert apic.acknowledge() == 0x60
    with pytest.raises(DmaBlocked):
        h.machine.remapping.message(OTHER, address, 0)
    with pytest.raises(DmaBlocked):
        h.machine.remapping.message(DEVICE, 0xFEE00000, 0xEF)
    assert [(f.source_id, f.reason) for f in h.assignment.faults()] == [
        (OTHER, FaultReason.SOURCE_MISMATCH),
        (DEVICE, FaultReason.COMPATIBILITY_BLOCKED),
    ]


def test_a_fault_interrupts_the_processor_when_asked(host: Callable[..., Host]) -> None:
    h = host()
    apic = h.machine.platform.apic
    apic.write_register(0xF0, 4, 0x1FF)
    h.assignment.report_faults_by(0xE8)
    assert not h.reads(0)
    assert apic.acknowledge() == 0xE8
