"""What sched_op poll waits for: one of some event channels, masked or not, until a time (Xen header `sched.h`)."""

from __future__ import annotations

from collections.abc import Callable

from techniques.paravirtual.shared_info import SharedInfo

PORTS_MAXIMUM = 128


class EventPoll:
    """The poll of the domain's only virtual processor; `changed` is called when its deadline is another."""

    def __init__(self, shared: SharedInfo, changed: Callable[[], None]) -> None:
        self._shared = shared
        self._changed = changed
        self._ports: tuple[int, ...] = ()
        self._deadline: int | None = None
        self._upcall_pending = False
        self._active = False

    def begin(self, ports: tuple[int, ...], deadline: int | None) -> bool:
        """Whether there is something to wait for: none of `ports` is pending, and no upcall is due."""
        if self._shared.wants_upcall or any(map(self._shared.channel_pending, ports)):
            return False
        self._ports, self._deadline, self._active = ports, deadline, True
        self._upcall_pending = self._shared.pending
        self._changed()
        return True

    def waits(self) -> bool:
        """Whether it goes on: until a channel, or the upcall's pending flag, becomes pending, or time is over."""
        upcall = self._shared.pending and not self._upcall_pending
        if (
            upcall
            or self._shared.wants_upcall
            or any(map(self._shared.channel_pending, self._ports))
        ):
            self._active, self._deadline = False, None
        return self._active

    def next_event(self) -> int | None:
        """When time is over."""
        return self._deadline

    def advance(self, now: int) -> None:
        """End it if that is now."""
        if self._deadline is not None and now >= self._deadline:
            self._active, self._deadline = False, None
