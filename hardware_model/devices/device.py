"""What the machine asks of a device."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

State = dict[str, Any]


class Device(Protocol):
    """A device: its time is virtual time, its state a plain dictionary."""

    def next_event(self) -> int | None:
        """Virtual time of the device's next event, None when nothing is due."""

    def advance(self, now: int) -> None:
        """Let happen what is due at virtual time `now`."""

    def save(self) -> State:
        """The device's state as plain values."""

    def restore(self, state: State) -> None:
        """Take over a state that `save` gave."""


class Untimed:
    """A part of a device at which nothing is ever due; nobody needs to ask it when."""

    def next_event(self) -> int | None:
        """None."""
        return None

    def advance(self, now: int) -> None:
        """Nothing happens."""


class PortDevice(Protocol):
    """A device behind I/O ports."""

    def read_port(self, port: int, size: int) -> int:
        """Value of an IN of `size` bytes."""

    def write_port(self, port: int, size: int, value: int) -> None:
        """Take an OUT of `size` bytes."""


@runtime_checkable
class SteadyPorts(Protocol):
    """A device that can tell which of its ports may be read without asking it."""

    def steady_port(self, port: int) -> int | None:
        """What an IN of one byte gives, if it does nothing else and gives the same until the device's next
        access or event; None otherwise."""


class RegisterDevice(Protocol):
    """A device behind memory-mapped registers."""

    def read_register(self, offset: int, size: int) -> int:
        """Value of a load of `size` bytes at `offset` from the device's base."""

    def write_register(self, offset: int, size: int, value: int) -> None:
        """Take a store of `size` bytes."""
