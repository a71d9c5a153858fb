"""The virtual chipset as translated code sees it: ports whose value an IN finds beside the state page.

Adams and Agesen (ASPLOS 2006, section 4.2, nanobenchmark `in`): a read of a chipset register need not leave
the translation cache, as it would leave the processor natively.
"""

from __future__ import annotations

from collections.abc import Iterable

from hardware_model.devices.bus import Bus
from techniques.binary_translation.layout import STATE_FIELDS
from techniques.binary_translation.port_accesses import ASKS, HELD, OPEN
from techniques.binary_translation.translation_cache import TranslationCache

_ASKS, _VALUES = STATE_FIELDS["port_asks"], STATE_FIELDS["port_values"]


class Chipset:
    """Keeps the tables of ports as the devices on `bus` are; a port is in them from its first IN on."""

    def __init__(self, cache: TranslationCache, bus: Bus) -> None:
        self._cache = cache
        self._bus = bus
        self._held: dict[int, int] = {}

    def open(self, ports: Iterable[int]) -> None:
        """Accesses to these ports by DX need no VMM."""
        for port in ports:
            self._cache.write_beside_state(_ASKS + port, bytes([OPEN]))

    def was_read(self, port: int) -> None:
        """The guest's kernel has read a byte of `port` through the VMM."""
        value = self._bus.steady_port(port)
        if value is not None and port not in self._held:
            self._held[port] = value
            self._cache.write_beside_state(_VALUES + port, bytes([value]))
            self._cache.write_beside_state(_ASKS + port, bytes([HELD]))

    def refresh(self) -> None:
        """Translated code is about to run: devices may have changed."""
        for port, held in tuple(self._held.items()):
            value = self._bus.steady_port(port)
            if value is None:
                del self._held[port]
                self._cache.write_beside_state(_ASKS + port, bytes([ASKS]))
            elif value != held:
                self._held[port] = value
                self._cache.write_beside_state(_VALUES + port, bytes([value]))
