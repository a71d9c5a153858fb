"""An event of the unit itself: control, data and address registers of a message (VT-d specification 5.1.6, 11.4.8).

The unit's own messages do not pass through interrupt remapping. A masked event stays pending until it is unmasked or
its cause is gone.
"""

from __future__ import annotations

from collections.abc import Callable

from hardware_model.devices.device import State
from hardware_model.vtd.registers import EventControl


class Event:
    """The fault event (FE...) or the invalidation completion event (IE...); masked at reset."""

    def __init__(self, send: Callable[[int, int], None]) -> None:
        self._send = send
        self.data = self.address = self.upper_address = 0
        self._masked, self._pending = True, False

    @property
    def control(self) -> int:
        """FECTL or IECTL."""
        return (EventControl.IM if self._masked else 0) | (EventControl.IP if self._pending else 0)

    def write_control(self, value: int) -> None:
        """Software masks or unmasks the event; a pending one is sent when unmasked."""
        self._masked = bool(value & EventControl.IM)
        if self._pending and not self._masked:
            self._pending = False
            self._deliver()

    def signal(self) -> None:
        """The event happens."""
        if self._masked:
            self._pending = True
        else:
            self._deliver()

    def withdraw(self) -> None:
        """Software has cleared the cause."""
        self._pending = False

    def _deliver(self) -> None:
        self._send(self.upper_address << 32 | self.address, self.data)

    def save(self) -> State:
        """Registers."""
        return {name: value for name, value in vars(self).items() if name != "_send"}

    def restore(self, state: State) -> None:
        """Take over a saved state."""
        vars(self).update(state)
