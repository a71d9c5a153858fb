"""Protected memory regions (VT-d specification 11.4.12 to 11.4.17): no device reaches them, remapped or not.

Software protects its own tables with them before it has built any: one region below 4 GiB, one anywhere.
"""

from __future__ import annotations

from hardware_model.vtd.registers import ProtectedMemory, Register

_ALIGNED = ~0x1FFFFF
REGISTERS = {
    Register.PMEN: 0,
    Register.PLMBASE: 0,
    Register.PLMLIMIT: 0,
    Register.PHMBASE: 0,
    Register.PHMLIMIT: 0,
}
_REGIONS = ((Register.PLMBASE, Register.PLMLIMIT), (Register.PHMBASE, Register.PHMLIMIT))


class ProtectedRegions:
    """The registers by offset; bounds are multiples of 2 MiB, limits inclusive."""

    def __init__(self) -> None:
        self.values = dict(REGISTERS)

    def write(self, register: Register, value: int) -> None:
        """Software writes a register; while protection is on the bounds stay."""
        if register is Register.PMEN:
            on = bool(value & ProtectedMemory.EPM)
            self.values[register] = ProtectedMemory.EPM | ProtectedMemory.PRS if on else 0
        elif not self.values[Register.PMEN]:
            self.values[register] = value & _ALIGNED

    def hit(self, address: int, size: int) -> bool:
        """Whether a DMA request to these machine addresses touches a protected region."""
        if not self.values[Register.PMEN]:
            return False
        for base, limit in _REGIONS:
            first, last = self.values[base], self.values[limit] | ~_ALIGNED
            if first <= last and address <= last and address + max(size, 1) > first:
                return True
        return False
