"""Faults are recorded in order, overflow is noted, and the fault event is sent once."""

from __future__ import annotations

from hardware_model.vtd.fault_reasons import FaultReason
from hardware_model.vtd.registers import FAULT_RECORDS, Register
from tests.hardware_model.vtd.bench import DEVICE, Bench

PFO, PPF, IM, IP = 1, 2, 1 << 31, 1 << 30


def arm(bench: Bench, vector: int = 0x40) -> None:
    bench.put(Register.FEDATA, vector)
    bench.put(Register.FEADDR, 0xFEE00000)
    bench.put(Register.FECTL, 0)


def fault(bench: Bench, page: int) -> None:
    assert bench.blocked(DEVICE, page << 12, 4)


def test_a_record_names_requester_page_reason_and_direction(bench: Bench, domain: int) -> None:
    assert bench.blocked(DEVICE, 0x12345, b"1234")
    assert bench.get(Register.FRCD, 8) == 0x12000
    assert bench.get(Register.FRCD + 8, 8) == 1 << 63 | FaultReason.WRITE_DENIED << 32 | DEVICE
    assert bench.blocked(DEVICE, 0x6789, 1)
    high = bench.get(Register.FRCD + 24, 8)
    assert high == 1 << 63 | 1 << 62 | FaultReason.READ_DENIED << 32 | DEVICE


def test_records_are_used_in_turn_and_read_in_order(bench: Bench, domain: int) -> None:
    for page in range(6):
        fault(bench, page)
    assert [record[1] >> 12 for record in bench.records()] == [0, 1, 2, 3, 4, 5]
    for page in range(6, 10):  # around the end
        fault(bench, page)
    assert bench.get(Register.FSTS) == PPF | 6 << 8
    assert [record[1] >> 12 for record in bench.records()] == [6, 7, 8, 9]
    assert not bench.get(Register.FSTS) & PPF


def test_a_ninth_fault_overflows_and_is_lost_until_software_clears_it(
    bench: Bench, domain: int
) -> None:
    for page in range(FAULT_RECORDS + 2):
        fault(bench, page)
    assert bench.get(Register.FSTS) == PFO | PPF
    assert (bench.counter("vtd.fault"), bench.counter("vtd.fault.lost")) == (FAULT_RECORDS, 2)
    assert len(bench.records()) == FAULT_RECORDS
    fault(bench, 77)  # PFO still holds recording
    assert bench.counter("vtd.fault.lost") == 3
    bench.put(Register.FSTS, PFO)
    assert bench.get(Register.FSTS) & (PFO | PPF) == 0
    fault(bench, 78)
    assert [record[1] >> 12 for record in bench.records()] == [78]


def test_the_event_comes_with_the_first_fault_and_again_when_all_was_cleared(
    bench: Bench, domain: int
) -> None:
    arm(bench)
    fault(bench, 1)
    fault(bench, 2)
    assert bench.interrupts == [(0, 0x40)]
    bench.records()
    fault(bench, 3)
    assert bench.interrupts == [(0, 0x40)] * 2
    assert bench.counter("vtd.event") == 2


def test_a_masked_event_waits_until_unmasked(bench: Bench, domain: int) -> None:
    fault(bench, 1)
    assert bench.get(Register.FECTL) == IM | IP
    assert bench.interrupts == []
    arm(bench, 0x41)
    assert bench.interrupts == [(0, 0x41)]
    assert bench.get(Register.FECTL) == 0


def test_a_masked_event_is_withdrawn_when_its_cause_is_cleared(bench: Bench, domain: int) -> None:
    fault(bench, 1)
    bench.records()
    assert bench.get(Register.FECTL) == IM
    arm(bench)
    assert bench.interrupts == []
