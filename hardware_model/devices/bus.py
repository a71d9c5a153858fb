"""Routing of port and register accesses to devices."""

from __future__ import annotations

from typing import cast

from hardware_model.devices.device import PortDevice, RegisterDevice, SteadyPorts


class Bus:
    """Port and register address spaces; unclaimed reads give all ones, unclaimed writes vanish."""

    def __init__(self) -> None:
        self._ports: dict[int, PortDevice] = {}
        self._steady: dict[int, SteadyPorts] = {}
        self._regions: list[tuple[int, int, RegisterDevice]] = []

    def attach_ports(self, first: int, count: int, device: PortDevice) -> None:
        """Route ports first..first+count-1 to `device`."""
        ports = range(first, first + count)
        self._ports.update(dict.fromkeys(ports, device))
        if hasattr(
            device, "steady_port"
        ):  # isinstance of a protocol takes 60 us, a machine has a dozen
            self._steady.update(dict.fromkeys(ports, cast(SteadyPorts, device)))

    def attach_registers(self, base: int, size: int, device: RegisterDevice) -> None:
        """Route physical addresses base..base+size-1 to `device`."""
        self._regions.append((base, base + size, device))

    def read_port(self, port: int, size: int) -> int:
        """IN."""
        device = self._ports.get(port)
        ones = (1 << 8 * size) - 1
        return device.read_port(port, size) & ones if device else ones

    def steady_port(self, port: int) -> int | None:
        """What an IN of one byte gives until the next access or event; None if only its device can tell."""
        if port not in self._ports:
            return 0xFF
        device = self._steady.get(port)
        return device.steady_port(port) if device else None

    def write_port(self, port: int, size: int, value: int) -> None:
        """OUT."""
        device = self._ports.get(port)
        if device:
            device.write_port(port, size, value)

    def claims(self, address: int) -> bool:
        """Whether a device answers at physical `address`."""
        return self._region(address) is not None

    def read(self, address: int, size: int) -> int:
        """Load from a device register."""
        found = self._region(address)
        if found is None:
            return (1 << 8 * size) - 1
        base, device = found
        return device.read_register(address - base, size)

    def write(self, address: int, size: int, value: int) -> None:
        """Store to a device register."""
        found = self._region(address)
        if found is not None:
            base, device = found
            device.write_register(address - base, size, value)

    def _region(self, address: int) -> tuple[int, RegisterDevice] | None:
        for base, end, device in self._regions:
            if base <= address < end:
                return base, device
        return None
