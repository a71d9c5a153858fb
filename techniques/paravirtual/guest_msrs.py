"""Model-specific registers as Xen emulates them for a PV guest: segment bases and a few that it may read."""

from __future__ import annotations

from hardware_model.canonical import is_canonical
from hardware_model.machine import Machine
from techniques.paravirtual.domain import Domain

FS_BASE, GS_BASE, KERNEL_GS_BASE, EFER, PAT = 0xC0000100, 0xC0000101, 0xC0000102, 0xC0000080, 0x277
APIC_BASE, MISC_ENABLE, PLATFORM_ID, MICROCODE = 0x1B, 0x1A0, 0x17, 0x8B
XEN_PAT = 0x050100070406  # WB WT UC- UC WC WP UC UC: Xen's own, shared with its guests
_SEGMENTS = {FS_BASE: "fs", GS_BASE: "gs"}
_ZERO = frozenset({PLATFORM_ID, MICROCODE, APIC_BASE})


class GuestMsrs:
    """RDMSR and WRMSR of one domain's kernel."""

    def __init__(self, machine: Machine, domain: Domain) -> None:
        self._registers = machine.registers
        self._domain = domain

    def read(self, number: int) -> int | None:
        """The value, or None where the guest gets #GP."""
        if number in _SEGMENTS:
            return self._registers.segment(_SEGMENTS[number]).base
        if number in _ZERO:
            return 0
        return {
            KERNEL_GS_BASE: self._domain.cpu.user_gs_base,
            EFER: self._registers.efer,
            PAT: XEN_PAT,
            MISC_ENABLE: 1,
        }.get(number)

    def write(self, number: int, value: int) -> bool:
        """Whether the guest may; False: it gets #GP."""
        if number in _SEGMENTS or number == KERNEL_GS_BASE:
            return is_canonical(value) and self._set_base(number, value)
        return (number == EFER and value == self._registers.efer) or (
            number == PAT and value == XEN_PAT
        )

    def _set_base(self, number: int, value: int) -> bool:
        if number == KERNEL_GS_BASE:
            self._domain.cpu.user_gs_base = value
        else:
            segment = self._registers.segment(_SEGMENTS[number])
            self._registers.set_segment(_SEGMENTS[number], segment._replace(base=value))
        return True
