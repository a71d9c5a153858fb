"""The ports by which a PC is reset and switched off.

Reset: bit 2 of the reset control register (0xCF9, Intel ICH data sheets), or command 0xFE of the keyboard
controller (0x64), of which nothing else exists. Power off: sleep enable in the ACPI PM1a control register, where
QEMU's q35 machine has it.
"""

from __future__ import annotations

from collections.abc import Callable

from hardware_model.devices.device import State, Untimed

KEYBOARD_COMMAND, RESET_CONTROL, PM1A_CONTROL = 0x64, 0xCF9, 0x604
PULSE_RESET, RESET_CPU, SLEEP_ENABLE = 0xFE, 1 << 2, 1 << 13


class PowerControl(Untimed):
    """`on_reset` and `on_power_off` are called when the guest asks for it."""

    def __init__(self, on_reset: Callable[[], None], on_power_off: Callable[[], None]) -> None:
        self._on_reset, self._on_power_off = on_reset, on_power_off

    def read_port(self, port: int, size: int) -> int:
        """Nothing answers."""
        return (1 << 8 * size) - 1

    def write_port(self, port: int, size: int, value: int) -> None:
        """Reset or power off, if the value says so."""
        if (port == KEYBOARD_COMMAND and value & 0xFF == PULSE_RESET) or (
            port == RESET_CONTROL and value & RESET_CPU
        ):
            self._on_reset()
        elif port == PM1A_CONTROL and value & SLEEP_ENABLE:
            self._on_power_off()

    def save(self) -> State:
        """No state."""
        return {}

    def restore(self, state: State) -> None:
        """No state."""
