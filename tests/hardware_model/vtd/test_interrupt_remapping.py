"""Interrupt requests become what their remapping entry says, if the requester may use it."""

from __future__ import annotations

import pytest

from hardware_model.devices.dma import DmaBlocked
from hardware_model.vtd.fault_reasons import FaultReason
from hardware_model.vtd.interrupt_remapping import (
    SourceValidation,
    posted_entry,
    remappable_address,
    remapping_entry,
)
from hardware_model.vtd.invalidation_queue import interrupt_descriptor
from hardware_model.vtd.posted_interrupts import CONTROL, control_word, take
from hardware_model.vtd.registers import GlobalCommand, Register
from tests.hardware_model.vtd.bench import DATA, DEVICE, IRT, OTHER_DEVICE, RAM, Bench

R, S = FaultReason, SourceValidation
ENTRIES_16 = 3  # IRTA.S


def switch_on(bench: Bench, register: int = IRT | ENTRIES_16, *more: GlobalCommand) -> None:
    bench.start()
    bench.put(Register.IRTA, register, 8)
    bench.command(GlobalCommand.SIRTP, GlobalCommand.IRE, *more)


def message(bench: Bench, device: int, address: int, data: int = 0) -> FaultReason | None:
    """Send it; the reason that is recorded if it is blocked."""
    try:
        bench.unit.message(device, address, data)
    except DmaBlocked:
        ((source, _, reason, read),) = bench.records()
        assert (source, read) == (device, False)
        return reason
    assert bench.records() == []
    return None


def test_without_remapping_any_device_may_send_any_vector(bench: Bench) -> None:
    assert message(bench, DEVICE, 0xFEE00000, 0x31) is None
    bench.unit.write(OTHER_DEVICE, 0xFEE00000, (0x80).to_bytes(4, "little"))
    assert bench.interrupts == [(0, 0x31), (0, 0x80)]


def test_a_message_takes_vector_and_destination_from_its_entry(bench: Bench) -> None:
    switch_on(bench)
    bench.put_pair(IRT + 3 * 16, remapping_entry(0x55, 2, source_id=DEVICE))
    assert message(bench, DEVICE, remappable_address(3)) is None
    assert bench.interrupts == [(2, 0x55)]
    assert bench.counter("vtd.interrupt.remapped") == 1


def test_a_subhandle_adds_to_the_index(bench: Bench) -> None:
    switch_on(bench)
    bench.put_pair(IRT + 5 * 16, remapping_entry(0x56, source_id=DEVICE))
    assert message(bench, DEVICE, remappable_address(3) | 1 << 3, 2) is None
    assert bench.interrupts == [(0, 0x56)]


@pytest.mark.parametrize(
    ("validation", "expected", "qualifier", "device", "allowed"),
    [
        (S.NONE, 0, 0, DEVICE, True),
        (S.REQUESTER, DEVICE, 0, DEVICE, True),
        (S.REQUESTER, DEVICE, 0, DEVICE | 1, False),
        (S.REQUESTER, DEVICE, 1, DEVICE | 4, True),
        (S.REQUESTER, DEVICE, 1, DEVICE | 2, False),
        (S.REQUESTER, DEVICE, 2, DEVICE | 6, True),
        (S.REQUESTER, DEVICE, 2, DEVICE | 1, False),
        (S.REQUESTER, DEVICE, 3, DEVICE | 7, True),
        (S.REQUESTER, DEVICE, 3, OTHER_DEVICE, False),
        (S.BUS_RANGE, 0x0203, 0, OTHER_DEVICE, True),
        (S.BUS_RANGE, 0x0303, 0, OTHER_DEVICE, True),
        (S.BUS_RANGE, 0x0405, 0, OTHER_DEVICE, False),
    ],
)
def test_the_requester_is_verified(
    bench: Bench, validation: S, expected: int, qualifier: int, device: int, allowed: bool
) -> None:
    switch_on(bench)
    entry = remapping_entry(0x55, source_id=expected, validation=validation, qualifier=qualifier)
    bench.put_pair(IRT, entry)
    reason = message(bench, device, remappable_address(0))
    assert reason == (None if allowed else R.SOURCE_MISMATCH)
    assert bench.interrupts == ([(0, 0x55)] if allowed else [])


@pytest.mark.parametrize(
    ("low", "high", "reason"),
    [
        (0, 0, R.IRTE_NOT_PRESENT),
        (1 | 1 << 12, 0, R.IRTE_RESERVED),
        (1 | 1 << 24, 0, R.IRTE_RESERVED),
        (1, 1 << 20, R.IRTE_RESERVED),
        (1, 3 << 18, R.IRTE_RESERVED),
    ],
)
def test_a_malformed_entry_blocks(bench: Bench, low: int, high: int, reason: R) -> None:
    switch_on(bench)
    bench.put_pair(IRT, (low, high))
    assert message(bench, DEVICE, remappable_address(0)) is reason


def test_a_blocked_message_is_recorded_with_its_index(bench: Bench) -> None:
    switch_on(bench)
    with pytest.raises(DmaBlocked):
        bench.unit.message(DEVICE, remappable_address(7), 0)
    assert bench.records() == [(DEVICE, 7 << 48, R.IRTE_NOT_PRESENT, False)]


def test_requests_beyond_the_table_or_with_reserved_bits_are_blocked(bench: Bench) -> None:
    switch_on(bench)
    assert message(bench, DEVICE, remappable_address(16)) is R.INDEX_BEYOND_TABLE
    assert message(bench, DEVICE, remappable_address(0x8003)) is R.INDEX_BEYOND_TABLE
    assert message(bench, DEVICE, remappable_address(0), 0x10) is R.REQUEST_RESERVED


def test_a_table_outside_memory_blocks(bench: Bench) -> None:
    switch_on(bench, RAM | ENTRIES_16)
    assert message(bench, DEVICE, remappable_address(0)) is R.IRTE_POINTER


def test_compatibility_format_passes_only_when_it_is_allowed(bench: Bench) -> None:
    switch_on(bench)
    assert message(bench, DEVICE, 0xFEE00000, 0x31) is R.COMPATIBILITY_BLOCKED
    bench.command(GlobalCommand.CFI)
    assert message(bench, DEVICE, 0xFEE00000, 0x31) is None
    assert bench.interrupts == [(0, 0x31)]
    assert bench.counter("vtd.interrupt.compatibility") == 1


def test_extended_mode_blocks_compatibility_format_always(bench: Bench) -> None:
    switch_on(bench, IRT | 1 << 11 | ENTRIES_16, GlobalCommand.CFI)
    assert message(bench, DEVICE, 0xFEE00000, 0x31) is R.COMPATIBILITY_BLOCKED


def test_an_entry_is_cached_until_it_is_invalidated(bench: Bench) -> None:
    switch_on(bench)
    bench.put_pair(IRT, remapping_entry(0x55, source_id=DEVICE))
    message(bench, DEVICE, remappable_address(0))
    bench.put_pair(IRT, remapping_entry(0x66, source_id=DEVICE))
    message(bench, DEVICE, remappable_address(0))
    bench.queue(interrupt_descriptor(1))
    message(bench, DEVICE, remappable_address(0))
    bench.queue(interrupt_descriptor(1, 1))  # entries 0 and 1
    message(bench, DEVICE, remappable_address(0))
    assert [vector for _, vector in bench.interrupts] == [0x55, 0x55, 0x55, 0x66]
    assert bench.counter("vtd.interrupt_cache.hit") == 2


def test_a_posted_interrupt_is_noted_and_notified_once(bench: Bench) -> None:
    switch_on(bench)
    bench.put_pair(IRT, posted_entry(0x91, DATA, source_id=DEVICE))
    bench.memory.write(DATA, bytes(64))
    bench.memory.write64(DATA + CONTROL, control_word(0xF2))
    for _ in range(2):
        assert message(bench, DEVICE, remappable_address(0)) is None
    assert bench.interrupts == [(0, 0xF2)]
    assert bench.memory.read64(DATA + 16) == 1 << 0x11
    assert bench.memory.read64(DATA + CONTROL) & 1
    assert message(bench, OTHER_DEVICE, remappable_address(0)) is R.SOURCE_MISMATCH
    assert bench.counter("vtd.interrupt.posted") == 2
    assert bench.counter("vtd.interrupt.posted.coalesced") == 1
    assert bench.counter("vtd.interrupt.posted.unnotified") == 1


def test_another_vector_is_noted_beside_the_first_and_both_are_taken_at_once(bench: Bench) -> None:
    switch_on(bench)
    bench.put_pair(IRT, posted_entry(0x91, DATA, source_id=DEVICE))
    bench.put_pair(IRT + 16, posted_entry(0x22, DATA, source_id=DEVICE))
    bench.memory.write(DATA, bytes(64))
    bench.memory.write64(DATA + CONTROL, control_word(0xF2))
    for index in range(2):
        message(bench, DEVICE, remappable_address(index))
    assert bench.counter("vtd.interrupt.posted.coalesced") == 0
    assert bench.counter("vtd.interrupt.posted.unnotified") == 1
    assert take(bench.memory, DATA) == 1 << 0x91 | 1 << 0x22
    assert take(bench.memory, DATA) == 0
    message(bench, DEVICE, remappable_address(0))
    assert bench.interrupts == 2 * [(0, 0xF2)]


def test_a_suppressed_notification_leaves_only_the_note(bench: Bench) -> None:
    switch_on(bench)
    bench.put_pair(IRT, posted_entry(0x91, DATA, source_id=DEVICE))
    bench.memory.write(DATA, bytes(64))
    bench.memory.write64(DATA + CONTROL, control_word(0xF2, suppressed=True))
    message(bench, DEVICE, remappable_address(0))
    assert bench.interrupts == []
    assert bench.memory.read64(DATA + 16) == 1 << 0x11
    assert bench.counter("vtd.interrupt.posted.unnotified") == 1
