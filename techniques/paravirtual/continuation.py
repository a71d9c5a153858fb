"""Long hypercalls in pieces, as Xen's `hypercall_create_continuation`: hostile counts cannot keep the hypervisor busy.

What is left of a preempted call goes back into the guest's registers (of a call in a multicall: into its record), and
RIP stays at the SYSCALL: the guest executes it again. In between it takes the events and interrupts that are due.
"""

from __future__ import annotations

from collections.abc import Callable

from hardware_model import counters as counter_table

_VALIDATED = counter_table.index("pv.entry_validated")
_MOST = 16_384  # validated entries, about 50 ms of the hypervisor's own time
_REQUEST = 32  # a request takes about as long as this many


class Continuation(Exception):
    """The hypercall goes on later, with these first arguments; the others stay as they are."""

    def __init__(self, *arguments: int) -> None:
        super().__init__("the hypercall is not finished")
        self.arguments = arguments


class Preemption:
    """When a hypercall must stop: an event waits for the guest, or much has been done since it entered.

    Xen looks for work of its own (softirqs), which its clock brings. There is no clock in the hypervisor here (virtual
    time is the guest's), so an amount of work stands for it.
    """

    def __init__(
        self, counters: counter_table.CounterArray, event_waits: Callable[[], bool]
    ) -> None:
        self._counts = counters.data
        self._event_waits = event_waits
        self._left: int | None = None
        self.enter()

    def allow(self, budget: int | None) -> None:
        """The run's budget of instructions: this is also how much long hypercalls may take of it; None: no end."""
        self._left = budget

    def enter(self) -> None:
        """The guest has entered the hypervisor."""
        self._requests = 0
        self._validated = int(self._counts[_VALIDATED])

    def due(self) -> bool:
        """Whether to stop before one more request. Asked before each but the first, so that every entry gets on."""
        self._requests += 1
        return self._work() >= _MOST or self._event_waits()

    def leave(self) -> bool:
        """Back to the guest: whether long hypercalls have used up the budget (a checked entry is an instruction)."""
        work = self._work()
        if self._left is None or work < _MOST:
            return False
        self._left -= work
        return self._left < 0

    def _work(self) -> int:
        return self._requests * _REQUEST + int(self._counts[_VALIDATED]) - self._validated
