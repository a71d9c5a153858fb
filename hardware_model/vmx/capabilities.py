"""What a VMX implementation supports, by feature level: the contents of the VMX capability MSRs.

The feature levels are configurations of the same code: a control that a level lacks must be 0, and
the entry checks refuse it otherwise (SDM vol. 3D appendix A).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from hardware_model.vmx.controls import Entry, Exit, PinBased, Primary, Secondary
from hardware_model.vmx.feature_levels import FeatureLevel

REVISION_IDENTIFIER: Final = 1
"""The VMCS revision identifier of the model: the layout of the VMCS region in `layout.py`."""

CR0_FIXED0: Final = 0x8000_0021
"""CR0 bits that must be 1 in VMX operation: PG, NE, PE."""
CR0_FIXED1: Final = 0xFFFF_FFFF
CR0_UNRESTRICTED: Final = 0x8000_0001
"""CR0 bits that an unrestricted guest may clear nevertheless: PG, PE."""
CR4_FIXED0: Final = 1 << 13
"""CR4 bits that must be 1 in VMX operation: VMXE."""
CR4_FIXED1: Final = 0x0030_26FF
"""CR4 bits that may be 1: what the modelled CPU has (VME to PGE, OSFXSR, ..., SMAP), and VMXE."""


@dataclass(frozen=True, slots=True)
class AllowedControls:
    """Which bits of a control vector must be 1, and which may be (those of `must` included)."""

    must: int
    may: int

    def admits(self, value: int) -> bool:
        """Whether `value` has every bit of `must` and no bit outside `may`."""
        return value & self.must == self.must and not value & ~self.may

    def adjust(self, wanted: int) -> int:
        """`wanted` with the bits that must be 1 added and those that must be 0 removed."""
        return (wanted | self.must) & self.may

    @property
    def msr(self) -> int:
        """The capability MSR: allowed 0-settings in bits 31:0, allowed 1-settings in 63:32."""
        return self.must | self.may << 32


@dataclass(frozen=True, slots=True)
class Capabilities:
    """A VMX implementation: allowed settings of each control vector, and its limits."""

    level: FeatureLevel
    pin_based: AllowedControls
    primary: AllowedControls
    secondary: AllowedControls
    exit: AllowedControls
    entry: AllowedControls
    physical_address_bits: int = 40
    revision: int = REVISION_IDENTIFIER
    cr3_targets: int = 4
    activity_states: int = 0b011
    """Supported inactive states: bit 0 HLT, bit 1 shutdown, bit 2 wait-for-SIPI."""
    ept_accessed_dirty: bool = True

    @property
    def true_controls(self) -> bool:
        """Whether the TRUE capability MSRs exist, so that some default-1 controls may be 0."""
        return self.level >= FeatureLevel.EPT


_DEFAULT1_PIN_BASED: Final = 0x0000_0016
_DEFAULT1_PRIMARY: Final = 0x0401_E172
_DEFAULT1_EXIT: Final = 0x0003_6DFF
_DEFAULT1_ENTRY: Final = 0x0000_11FF
"""The default-1 controls: 1 unless a TRUE capability MSR says otherwise (SDM vol. 3D A.2)."""

DEFAULT1: Final = (_DEFAULT1_PIN_BASED, _DEFAULT1_PRIMARY, _DEFAULT1_EXIT, _DEFAULT1_ENTRY)

_RELAXED_PRIMARY: Final = Primary.CR3_LOAD_EXITING | Primary.CR3_STORE_EXITING
_RELAXED_EXIT: Final = Exit.SAVE_DEBUG_CONTROLS
_RELAXED_ENTRY: Final = Entry.LOAD_DEBUG_CONTROLS
"""The default-1 controls that may be 0 where the TRUE capability MSRs exist."""

_PIN_BASED: Final = {
    FeatureLevel.FIRST_GENERATION: PinBased.EXTERNAL_INTERRUPT_EXITING | PinBased.NMI_EXITING,
    FeatureLevel.EPT: PinBased.VIRTUAL_NMIS,
    FeatureLevel.EPT_VPID: PinBased.PREEMPTION_TIMER,
    FeatureLevel.VIRTUAL_APIC: PinBased.POSTED_INTERRUPTS,
}
_PRIMARY: Final = {
    FeatureLevel.FIRST_GENERATION: (
        Primary.INTERRUPT_WINDOW_EXITING
        | Primary.USE_TSC_OFFSETTING
        | Primary.HLT_EXITING
        | Primary.INVLPG_EXITING
        | Primary.MWAIT_EXITING
        | Primary.RDPMC_EXITING
        | Primary.RDTSC_EXITING
        | Primary.CR3_LOAD_EXITING
        | Primary.CR3_STORE_EXITING
        | Primary.CR8_LOAD_EXITING
        | Primary.CR8_STORE_EXITING
        | Primary.USE_TPR_SHADOW
        | Primary.MOV_DR_EXITING
        | Primary.UNCONDITIONAL_IO_EXITING
        | Primary.USE_IO_BITMAPS
        | Primary.USE_MSR_BITMAPS
        | Primary.MONITOR_EXITING
        | Primary.PAUSE_EXITING
    ),
    FeatureLevel.EPT: Primary.NMI_WINDOW_EXITING | Primary.ACTIVATE_SECONDARY_CONTROLS,
    FeatureLevel.EPT_VPID: Primary(0),
}
_SECONDARY: Final = {
    FeatureLevel.FIRST_GENERATION: Secondary(0),
    FeatureLevel.EPT: (
        Secondary.VIRTUALIZE_APIC_ACCESSES
        | Secondary.ENABLE_EPT
        | Secondary.DESCRIPTOR_TABLE_EXITING
        | Secondary.ENABLE_RDTSCP
        | Secondary.WBINVD_EXITING
    ),
    FeatureLevel.EPT_VPID: Secondary.ENABLE_VPID | Secondary.UNRESTRICTED_GUEST,
    FeatureLevel.VIRTUAL_APIC: (
        Secondary.APIC_REGISTER_VIRTUALIZATION | Secondary.VIRTUAL_INTERRUPT_DELIVERY
    ),
}
_EXIT: Final = {
    FeatureLevel.FIRST_GENERATION: Exit.HOST_ADDRESS_SPACE_SIZE | Exit.ACKNOWLEDGE_INTERRUPT,
    FeatureLevel.EPT: Exit.SAVE_PAT | Exit.LOAD_PAT | Exit.SAVE_EFER | Exit.LOAD_EFER,
    FeatureLevel.EPT_VPID: Exit.SAVE_PREEMPTION_TIMER,
}
_ENTRY: Final = {
    FeatureLevel.FIRST_GENERATION: Entry.IA32E_MODE_GUEST,
    FeatureLevel.EPT: Entry.LOAD_PAT | Entry.LOAD_EFER,
    FeatureLevel.EPT_VPID: Entry(0),
}


def _allowed(
    level: FeatureLevel,
    optional: Mapping[FeatureLevel, int],
    default1: int,
    relaxed: int = 0,
) -> AllowedControls:
    may = default1
    for since, controls in optional.items():
        if since <= level:
            may |= int(controls)
    must = default1 & ~relaxed if level >= FeatureLevel.EPT else default1
    return AllowedControls(must, may)


def capabilities_of(level: FeatureLevel, physical_address_bits: int = 40) -> Capabilities:
    """The implementation of a feature level on a CPU with that physical-address width."""
    return Capabilities(
        level=level,
        pin_based=_allowed(level, _PIN_BASED, _DEFAULT1_PIN_BASED),
        primary=_allowed(level, _PRIMARY, _DEFAULT1_PRIMARY, _RELAXED_PRIMARY),
        secondary=_allowed(level, _SECONDARY, 0),
        exit=_allowed(level, _EXIT, _DEFAULT1_EXIT, _RELAXED_EXIT),
        entry=_allowed(level, _ENTRY, _DEFAULT1_ENTRY, _RELAXED_ENTRY),
        physical_address_bits=physical_address_bits,
    )
