"""Ports of the guest's own devices, which translated code accesses without the VMM.

Translated code looks a port up before it accesses it, and at CPL 1 the TSS's I/O permission bitmap lets it through. The
processor does not tell CPL 1 from CPL 3 in that bitmap, and user code may be entered from the cache. So the bitmap is
shown when translated code is first refused an open port, and while it is, no return to user code goes without the VMM.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hardware_model.executor import words as W
from hardware_model.executor.words import Intercept
from techniques.binary_translation.port_accesses import ACCESSES
from techniques.binary_translation.unit import Unit
from techniques.deprivileged.exceptions import general_protection

if TYPE_CHECKING:
    from techniques.binary_translation.vmm import BinaryTranslation

_REFUSED = Intercept.EXCEPTION + general_protection().vector
_ACCESSES = tuple(ACCESSES)
_LONGEST = max(map(len, _ACCESSES))


class OpenPorts:
    """The ports that are open to a guest's kernel."""

    def __init__(self, vmm: BinaryTranslation) -> None:
        self._vmm = vmm
        self._window = vmm.shadow.window

    def open(self, ports: range) -> None:
        """Code that is translated from now on performs accesses to `ports` itself."""
        self._window.on_demand = True
        self._window.open_ports(ports)
        self._window.show_ports(in_kernel=False)
        self._vmm.chipset.open(ports)
        self._vmm.translator.open_ports = True

    def wanted(self, unit: Unit | None, address: int) -> bool:
        """Whether translated code at `address` was refused a port that is open, and may try again now."""
        if unit is None or self._vmm.machine.words[W.EVENT_CODE] != _REFUSED:
            return False
        code = self._vmm.cache.read(address, min(_LONGEST, unit.end - address))
        return code.startswith(_ACCESSES) and self._window.ports_wanted()
