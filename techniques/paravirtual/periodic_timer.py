"""The virtual processor's periodic timer, besides the one-shot timer (Xen public header `vcpu.h`)."""

from __future__ import annotations

from collections.abc import Callable

from techniques.paravirtual.abi import Errno, HypercallError

SHORTEST = 1_000_000  # nanoseconds


class PeriodicTimer:
    """Off at first. `expired` is called at each period's end, `changed` when the next one is at another time."""

    def __init__(
        self, now: Callable[[], int], expired: Callable[[], None], changed: Callable[[], None]
    ) -> None:
        self._now = now
        self._expired = expired
        self._changed = changed
        self._period = 0
        self._last = 0

    def start(self, period: int) -> None:
        """Every `period` ns, at once if that has passed since the last event. HypercallError EINVAL if it is short."""
        if period < SHORTEST or period >> 63:
            raise HypercallError(Errno.EINVAL, f"a period of {period} ns")
        self._period = period
        self.advance(self._now())
        self._changed()

    def stop(self) -> None:
        """No more."""
        self._period = 0

    def next_event(self) -> int | None:
        """When the period ends."""
        return self._last + self._period if self._period else None

    def advance(self, now: int) -> None:
        """The event, if it is due."""
        if self._period and now >= self._last + self._period:
            self._last = now
            self._expired()
