"""A VMCS that passes every VM-entry check, at each feature level."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest

from hardware_model.vmx.capabilities import capabilities_of
from hardware_model.vmx.controls import Entry, Exit, PinBased, Primary, Secondary
from hardware_model.vmx.feature_levels import FeatureLevel
from hardware_model.vmx.fields import Field
from hardware_model.vmx.vmcs import Vmcs
from tests.hardware_model.vmx.running_guest import VmxGuest, launchable
from tests.small_guest import SmallGuest

_PAT = 0x0007_0406_0007_0406
_EFER = 0xD01
_CODE64, _DATA, _BUSY_TSS, _UNUSABLE = 0xA09B, 0xC093, 0x8B, 0x1_0000

STATE = {
    Field.IO_BITMAP_A: 0x10_0000,
    Field.IO_BITMAP_B: 0x10_1000,
    Field.MSR_BITMAPS: 0x10_2000,
    Field.VIRTUAL_APIC_ADDRESS: 0x10_3000,
    Field.APIC_ACCESS_ADDRESS: 0x10_4000,
    Field.EPT_POINTER: 0x10_5000 | 3 << 3 | 6,
    Field.VPID: 1,
    Field.EXCEPTION_BITMAP: 1 << 14,
    Field.HOST_CR0: 0x8001_0033,
    Field.HOST_CR3: 0x20_0000,
    Field.HOST_CR4: 0x26A0,
    Field.HOST_CS_SELECTOR: 0x08,
    Field.HOST_SS_SELECTOR: 0x10,
    Field.HOST_TR_SELECTOR: 0x18,
    Field.HOST_RIP: 0xFFFF_FFFF_8000_0000,
    Field.HOST_IA32_PAT: _PAT,
    Field.HOST_IA32_EFER: _EFER,
    Field.GUEST_CR0: 0x8001_0033,
    Field.GUEST_CR3: 0x1000,
    Field.GUEST_CR4: 0x26A0,
    Field.GUEST_DR7: 0x400,
    Field.GUEST_RFLAGS: 0x202,
    Field.GUEST_RIP: 0xFFFF_FFFF_8010_0000,
    Field.GUEST_IA32_PAT: _PAT,
    Field.GUEST_IA32_EFER: _EFER,
    Field.VMCS_LINK_POINTER: (1 << 64) - 1,
    Field.GUEST_CS_SELECTOR: 0x08,
    Field.GUEST_CS_LIMIT: 0xFFFF_FFFF,
    Field.GUEST_CS_ACCESS_RIGHTS: _CODE64,
    Field.GUEST_SS_SELECTOR: 0x10,
    Field.GUEST_SS_LIMIT: 0xFFFF_FFFF,
    Field.GUEST_SS_ACCESS_RIGHTS: _DATA,
    Field.GUEST_DS_ACCESS_RIGHTS: _UNUSABLE,
    Field.GUEST_ES_ACCESS_RIGHTS: _UNUSABLE,
    Field.GUEST_FS_ACCESS_RIGHTS: _UNUSABLE,
    Field.GUEST_GS_ACCESS_RIGHTS: _UNUSABLE,
    Field.GUEST_LDTR_ACCESS_RIGHTS: _UNUSABLE,
    Field.GUEST_TR_SELECTOR: 0x18,
    Field.GUEST_TR_LIMIT: 0x67,
    Field.GUEST_TR_ACCESS_RIGHTS: _BUSY_TSS,
}


def _controls(vmcs: Vmcs) -> dict[Field, int]:
    able = vmcs.capabilities
    primary = (
        Primary.HLT_EXITING
        | Primary.USE_IO_BITMAPS
        | Primary.USE_MSR_BITMAPS
        | Primary.USE_TPR_SHADOW
        | Primary.ACTIVATE_SECONDARY_CONTROLS
    )
    secondary = Secondary.ENABLE_EPT | Secondary.ENABLE_VPID | Secondary.VIRTUALIZE_APIC_ACCESSES
    leave = Exit.HOST_ADDRESS_SPACE_SIZE | Exit.LOAD_PAT | Exit.LOAD_EFER | Exit.SAVE_EFER
    enter = Entry.IA32E_MODE_GUEST | Entry.LOAD_PAT | Entry.LOAD_EFER | Entry.LOAD_DEBUG_CONTROLS
    pins = PinBased.EXTERNAL_INTERRUPT_EXITING | PinBased.NMI_EXITING | PinBased.VIRTUAL_NMIS
    return {
        Field.PIN_BASED_CONTROLS: able.pin_based.adjust(pins),
        Field.PRIMARY_CONTROLS: able.primary.adjust(primary),
        Field.SECONDARY_CONTROLS: able.secondary.adjust(secondary),
        Field.EXIT_CONTROLS: able.exit.adjust(leave),
        Field.ENTRY_CONTROLS: able.entry.adjust(enter),
    }


def _valid(level: FeatureLevel) -> Vmcs:
    vmcs = Vmcs(capabilities_of(level))
    for field, value in (STATE | _controls(vmcs)).items():
        if field.since <= level:
            vmcs.write(field, value)
    return vmcs


@pytest.fixture
def valid_vmcs() -> Callable[[FeatureLevel], Vmcs]:
    """Makes a VMCS for a 64-bit guest under a 64-bit VMM that passes all checks."""
    return _valid


@pytest.fixture
def vmx_guest() -> Callable[..., VmxGuest]:
    """Runs guests: `vmx_guest(text, level=..., primary=..., ..., **SmallGuest's arguments)`; see `launchable`."""
    own = {name for name in inspect.signature(launchable).parameters if name != "guest"}

    def run(text: str, **options: Any) -> VmxGuest:
        mine = {name: options.pop(name) for name in own & options.keys()}
        return launchable(SmallGuest(text, **options), **mine).run()

    return run
