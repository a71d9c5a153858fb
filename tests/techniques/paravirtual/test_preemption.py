"""When a hypercall stops to be continued, and when it has used up the run's budget."""

from __future__ import annotations

from hardware_model import counters as counter_table
from techniques.paravirtual.continuation import Preemption


def test_checked_entries_count_as_work_too() -> None:
    counts = counter_table.new()
    waits: list[bool] = []
    preemption = Preemption(counts, lambda: bool(waits))
    assert not preemption.due()
    counts.data[counter_table.index("pv.entry_validated")] += 1 << 14
    assert preemption.due()
    preemption.enter()
    assert not preemption.due()
    assert not preemption.leave()  # there is no budget
    preemption.allow(1 << 15)
    for used_up in (False, False, True):
        preemption.enter()
        counts.data[counter_table.index("pv.entry_validated")] += 1 << 14
        assert preemption.leave() is used_up
    preemption.enter()
    assert not preemption.leave()  # a short one is free
    waits.append(True)
    assert preemption.due()
