"""Descriptors drop exactly what they name; a bad one stops the queue; waits are answered in order."""

from __future__ import annotations

import pytest

from hardware_model.vtd.invalidation import Granularity
from hardware_model.vtd.invalidation_queue import (
    context_descriptor,
    interrupt_descriptor,
    iotlb_descriptor,
    wait_descriptor,
)
from hardware_model.vtd.registers import MAXIMUM_MASK, GlobalCommand, Register
from tests.hardware_model.vtd.bench import (
    DATA,
    DEVICE,
    MIB,
    OTHER_DEVICE,
    QUEUE,
    STATUS,
    Bench,
)

G = Granularity
IQE = 1 << 4


def stale(bench: Bench, device: int, *pages: int) -> list[bool]:
    """Which of the unmapped pages the device still reaches."""
    reached = [not bench.blocked(device, page << 12, 1) for page in pages]
    bench.records()
    return reached


@pytest.fixture
def warm(bench: Bench, domain: int) -> Bench:
    """Pages 4 to 7 of domain 5 and page 4 of domain 6 are cached and no longer mapped."""
    other = bench.table()
    bench.attach(OTHER_DEVICE, 6, other)
    leaves = [bench.map(domain, page << 12, DATA) for page in range(4, 8)]
    leaves.append(bench.map(other, 4 << 12, DATA))
    for page in range(4, 8):
        bench.blocked(DEVICE, page << 12, 1)
    bench.blocked(OTHER_DEVICE, 4 << 12, 1)
    for leaf in leaves:
        bench.memory.write64(leaf, 0)
    return bench


def test_without_an_invalidation_the_old_translations_serve(warm: Bench) -> None:
    assert stale(warm, DEVICE, 4, 5, 6, 7) == [True] * 4
    assert stale(warm, OTHER_DEVICE, 4) == [True]
    assert warm.counter("vtd.iotlb.stale") == 5


@pytest.mark.parametrize(
    ("descriptor", "left", "other"),
    [
        (iotlb_descriptor(G.GLOBAL), [], []),
        (iotlb_descriptor(G.DOMAIN, 5), [], [4]),
        (iotlb_descriptor(G.DOMAIN, 6), [4, 5, 6, 7], []),
        (iotlb_descriptor(G.SELECTIVE, 5, 0x5000), [4, 6, 7], [4]),
        (iotlb_descriptor(G.SELECTIVE, 5, 0x5000, 1), [6, 7], [4]),  # aligned down to page 4
        (iotlb_descriptor(G.SELECTIVE, 5, 0x4000, 2), [], [4]),
        (iotlb_descriptor(G.SELECTIVE, 6, 0x4000, 2), [4, 5, 6, 7], []),
        (context_descriptor(G.GLOBAL), [4, 5, 6, 7], [4]),
    ],
)
def test_an_iotlb_descriptor_drops_what_it_names(
    warm: Bench, descriptor: tuple[int, int], left: list[int], other: list[int]
) -> None:
    warm.queue(descriptor)
    assert [p for p in range(4, 8) if stale(warm, DEVICE, p) == [True]] == left
    assert [p for p in [4] if stale(warm, OTHER_DEVICE, p) == [True]] == other
    assert warm.counter("vtd.iotlb.dropped") == 5 - len(left) - len(other)


def test_a_page_invalidation_drops_the_large_page_around_it(bench: Bench, domain: int) -> None:
    leaf = bench.map(domain, 2 * MIB, DATA, leaf=2)
    bench.blocked(DEVICE, 2 * MIB, 1)
    bench.memory.write64(leaf, 0)
    bench.queue(iotlb_descriptor(G.SELECTIVE, 5, 3 * MIB))
    assert bench.blocked(DEVICE, 2 * MIB, 1)


@pytest.mark.parametrize(
    ("descriptor", "reread"),
    [
        (context_descriptor(G.GLOBAL), True),
        (context_descriptor(G.DOMAIN, 5), True),
        (context_descriptor(G.DOMAIN, 6), False),
        (context_descriptor(G.SELECTIVE, 5, DEVICE), True),
        (context_descriptor(G.SELECTIVE, 5, OTHER_DEVICE), False),
        (context_descriptor(G.SELECTIVE, 6, DEVICE), False),
        (iotlb_descriptor(G.GLOBAL), False),
    ],
)
def test_a_context_descriptor_drops_what_it_names(
    bench: Bench, domain: int, descriptor: tuple[int, int], reread: bool
) -> None:
    bench.map(domain, 0, DATA)
    bench.blocked(DEVICE, 0, 1)
    bench.queue(descriptor)
    bench.blocked(DEVICE, 0, 1)
    assert bench.counter("vtd.context.miss") == 1 + reread


def test_a_function_mask_covers_the_functions_of_a_device(bench: Bench, domain: int) -> None:
    bench.attach(DEVICE | 3, 5, domain)
    bench.blocked(DEVICE | 3, 0, 1)
    bench.queue((context_descriptor(G.SELECTIVE, 5, DEVICE)[0] | 3 << 48, 0))
    bench.blocked(DEVICE | 3, 0, 1)
    assert bench.counter("vtd.context.miss") == 2


def test_a_wait_stores_its_status_when_all_before_it_is_done(bench: Bench, domain: int) -> None:
    bench.queue(iotlb_descriptor(G.GLOBAL), wait_descriptor(STATUS, 0x1234))
    assert bench.memory.read(STATUS, 8) == (0x1234).to_bytes(8, "little")
    assert bench.get(Register.IQH, 8) == 32
    assert bench.counter("vtd.queue.descriptor") == 2
    assert bench.counter("vtd.queue.wait") == 1


def test_a_wait_may_interrupt(bench: Bench, domain: int) -> None:
    bench.put(Register.IEDATA, 0x77)
    bench.put(Register.IEADDR, 0xFEE00000)
    bench.put(Register.IECTL, 0)
    bench.queue(wait_descriptor(STATUS, 1, interrupt=True))
    bench.queue(wait_descriptor(STATUS, 2, interrupt=True))  # IWC is still set
    assert bench.interrupts == [(0, 0x77)]
    assert bench.get(Register.ICS) == 1
    bench.put(Register.ICS, 1)
    bench.queue(wait_descriptor(STATUS, 3, interrupt=True))
    assert bench.interrupts == [(0, 0x77)] * 2


@pytest.mark.parametrize(
    "bad",
    [(0, 0), (7, 0), (2, 0), (1, 0), iotlb_descriptor(G.SELECTIVE, 5, 0, MAXIMUM_MASK + 1)],
)
def test_a_bad_descriptor_stops_the_queue_until_the_error_is_cleared(
    bench: Bench, domain: int, bad: tuple[int, int]
) -> None:
    bench.queue(bad, wait_descriptor(STATUS, 9))
    assert bench.get(Register.FSTS) & IQE
    assert bench.get(Register.IQH, 8) == 0
    assert bench.memory.read64(STATUS) == 0
    bench.put_pair(QUEUE, interrupt_descriptor())
    bench.put(Register.FSTS, IQE)
    assert bench.memory.read64(STATUS) == 9
    assert bench.get(Register.IQH, 8) == 32


def test_the_ring_goes_around(bench: Bench, domain: int) -> None:
    for number in range(300):
        bench.queue(wait_descriptor(STATUS, number))
    assert bench.memory.read64(STATUS) == 299
    assert bench.counter("vtd.queue.wait") == 300


def test_a_queue_that_is_off_executes_nothing(bench: Bench) -> None:
    bench.put(Register.IQA, QUEUE, 8)
    bench.queue(wait_descriptor(STATUS, 1))
    assert bench.memory.read64(STATUS) == 0
    bench.command(GlobalCommand.QIE)
    assert bench.memory.read64(STATUS) == 1
