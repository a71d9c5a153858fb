"""Changes of ring: every one passes through the VMM."""

from __future__ import annotations

from hardware_model.executor.registers import Registers
from techniques.deprivileged.descriptor_tables import DescriptorTables
from techniques.deprivileged.virtual_cpu import KERNEL_RING
from techniques.technique import GuestError


class Rings:
    """Puts the processor into the ring that stands for the guest's."""

    def __init__(self, registers: Registers, tables: DescriptorTables) -> None:
        self._registers = registers
        self._tables = tables

    def enter(self, ring: int) -> None:
        """The guest's CPL becomes `ring`; GuestError for rings 1 and 2, which the VMM has taken."""
        if ring not in (0, 3):
            raise GuestError(
                f"the guest enters ring {ring} at RIP {self._registers.rip:#x}; "
                "a deprivileged guest has rings 0 and 3 only"
            )
        self._registers.cpl = ring or KERNEL_RING
        self._tables.set_ring(in_kernel=ring == 0)
