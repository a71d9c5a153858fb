"""The part of a run between its region markers, which are free and which no guest can tell apart from nothing."""

from __future__ import annotations

from collections.abc import Callable

from hardware_model import counters as counter_table
from hardware_model.machine import Machine

ROI_BEGIN, ROI_END = 0x7B900001, 0x7B900002


class RegionOfInterest:
    """Sums counters, as `read` gives them, over the spans between the region markers."""

    def __init__(
        self, machine: Machine, read: Callable[[], counter_table.CounterArray] | None = None
    ) -> None:
        self._read = read or machine.profile.counters
        self._begin: counter_table.CounterArray | None = None
        self._sum: counter_table.CounterArray | None = None
        machine.on_marker = self._marker

    def _marker(self, immediate: int) -> None:
        now = self._read()
        if immediate == ROI_BEGIN:
            self._begin = now
        elif immediate == ROI_END and self._begin is not None:
            span = now - self._begin
            self._sum = span if self._sum is None else self._sum + span
            self._begin = None

    def counters(self, total: counter_table.CounterArray) -> counter_table.CounterArray:
        """Counters of the region; those of the whole run if it has none."""
        return total if self._sum is None else self._sum
