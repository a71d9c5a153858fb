"""Debug-exit port: a 32-bit OUT of v ends the run with guest status v (0 means success)."""

from __future__ import annotations

from collections.abc import Callable

from hardware_model.devices.device import State, Untimed

PORT = 0xF4


class DebugExit(Untimed):
    """The port; `status` is None until the guest wrote it, `on_exit` is called when it does."""

    def __init__(self, on_exit: Callable[[], None]) -> None:
        self.status: int | None = None
        self._on_exit = on_exit

    def read_port(self, port: int, size: int) -> int:
        """Reads see nothing."""
        return (1 << 8 * size) - 1

    def write_port(self, port: int, size: int, value: int) -> None:
        """End the run."""
        self.status = value
        self._on_exit()

    def save(self) -> State:
        """The status written, if any."""
        return {"status": self.status}

    def restore(self, state: State) -> None:
        """Take over a saved state."""
        self.status = state["status"]
