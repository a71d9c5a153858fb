"""The log of refusals: everything is counted, the first records are kept."""

from __future__ import annotations

from hardware_model import counters as counter_table
from techniques.refusals import KEPT, Refusal, RefusalReason, Refusals


def test_all_are_counted_by_reason_and_the_first_are_kept() -> None:
    counts = counter_table.new()
    log = Refusals(counts)
    for number in range(KEPT + 5):
        log.record(RefusalReason.SHADOW, number * 8)
    log.record(RefusalReason.GRANT, 0x5000)
    found = counter_table.as_dict(counts)
    assert found == {"refused": KEPT + 6, "refused.shadow": KEPT + 5, "refused.grant": 1}
    assert log.kept == [Refusal(RefusalReason.SHADOW, number * 8) for number in range(KEPT)]


def test_a_record_says_why_and_where() -> None:
    said = str(Refusal(RefusalReason.EPT_VIOLATION, 0x6100000))
    assert said == "EPT violation: the guest has nothing at guest-physical 0x6100000"
