"""Interrupt causes, mask and moderation of the 8254x (its manual, sections 3.2.7 and 13.4.17 to 13.4.22).

The card sends its message when an unmasked cause appears and none was there; causes that join it, or that
wait for the throttling interval to end, are coalesced.
"""

from __future__ import annotations

from collections.abc import Callable

from hardware_model.devices.network.registers import ITR_NANOSECONDS

Saved = tuple[int, int, int, int, int | None]


class InterruptCauses:
    """ICR, IMS and ITR. `send` sends the message, `coalesced` is told of causes that cost no interrupt."""

    def __init__(self, send: Callable[[], None], coalesced: Callable[[], None]) -> None:
        self._send = send
        self._coalesced = coalesced
        self.reset()

    def reset(self) -> None:
        """Nothing has happened, everything is masked, no moderation."""
        self.causes = self.mask = self.interval = 0
        self._earliest = 0
        self.due: int | None = None

    def raise_cause(self, cause: int, now: int) -> None:
        """Something happened."""
        merged = bool(self.causes & self.mask)
        self.causes |= cause
        if not cause & self.mask:
            return
        if merged:
            self._coalesced()
        else:
            self._request(now)

    def _request(self, now: int) -> None:
        if now >= self._earliest:
            self._fire(now)
        elif self.due is None:
            self.due = self._earliest

    def _fire(self, now: int) -> None:
        self.due = None
        self._earliest = now + self.interval * ITR_NANOSECONDS
        self._send()

    def advance(self, now: int) -> None:
        """Send what moderation has held back."""
        if self.due is None or self.due > now:
            return
        self.due = None
        if self.causes & self.mask:
            self._fire(now)

    def read(self) -> int:
        """ICR: reading clears the causes."""
        causes, self.causes = self.causes, 0
        return causes

    def unmask(self, bits: int, now: int) -> None:
        """IMS."""
        pending = bool(self.causes & self.mask)
        self.mask |= bits
        if self.causes & self.mask and not pending:
            self._request(now)

    def save(self) -> Saved:
        """Causes, mask, interval and times."""
        return self.causes, self.mask, self.interval, self._earliest, self.due

    def restore(self, saved: Saved) -> None:
        """Take over what `save` gave."""
        self.causes, self.mask, self.interval, self._earliest, self.due = saved
