"""What several rules of the VM-entry checks ask about a VMCS or a value."""

from __future__ import annotations

from functools import lru_cache

from hardware_model.msrs import Efer
from hardware_model.vmx.controls import Entry, PinBased, Primary, Secondary
from hardware_model.vmx.entry_checks.rule import Part
from hardware_model.vmx.fields import Field
from hardware_model.vmx.interruption import INTERRUPTION_VALID, Interruption, InterruptionType
from hardware_model.vmx.vmcs import Vmcs

CR0_PE = 1 << 0
CR0_PG = 1 << 31
CR4_PAE = 1 << 5
CR4_PCIDE = 1 << 17
EFER_LME = int(Efer.LME)
EFER_LMA = int(Efer.LMA)
EFER_DEFINED = Efer.SCE | Efer.LME | Efer.LMA | Efer.NXE
"""The bits of IA32_EFER that are not reserved."""
RFLAGS_TF = 1 << 8
RFLAGS_IF = 1 << 9
RFLAGS_VM = 1 << 17

PRIMARY = Part(Field.PRIMARY_CONTROLS, ~int(Primary.INTERRUPT_WINDOW_EXITING))
"""The primary controls without the one that VMMs keep switching and no other rule looks at."""
VIRTUAL_8086 = Part(Field.GUEST_RFLAGS, RFLAGS_VM)

_ACTIVATE_SECONDARY = int(Primary.ACTIVATE_SECONDARY_CONTROLS)
_IA32E_MODE_GUEST = int(Entry.IA32E_MODE_GUEST)
_TYPE_MASK = 7 << 8


def pin_based(vmcs: Vmcs, control: PinBased) -> bool:
    """Whether a pin-based control is 1."""
    return bool(vmcs.load(Field.PIN_BASED_CONTROLS) & int(control))


def primary(vmcs: Vmcs, control: Primary) -> bool:
    """Whether a primary control is 1."""
    return bool(vmcs.load(Field.PRIMARY_CONTROLS) & int(control))


def secondary(vmcs: Vmcs, control: Secondary) -> bool:
    """Whether a secondary control is 1 and in effect; reads both processor-based fields."""
    if not vmcs.load(Field.PRIMARY_CONTROLS) & _ACTIVATE_SECONDARY:
        return False
    return bool(vmcs.load(Field.SECONDARY_CONTROLS) & int(control))


def unrestricted(vmcs: Vmcs) -> bool:
    """Whether the guest is unrestricted; reads both processor-based fields."""
    return secondary(vmcs, Secondary.UNRESTRICTED_GUEST)


def ia32e_guest(vmcs: Vmcs) -> bool:
    """Whether the guest runs in IA-32e mode after the entry; reads the entry controls."""
    return bool(vmcs.load(Field.ENTRY_CONTROLS) & _IA32E_MODE_GUEST)


def virtual_8086(vmcs: Vmcs) -> bool:
    """Whether the guest runs in virtual-8086 mode; reads RFLAGS."""
    return bool(vmcs.load(Field.GUEST_RFLAGS) & RFLAGS_VM)


def injection(vmcs: Vmcs) -> Interruption | None:
    """The event to inject, or None; reads the entry interruption information."""
    return _decoded(vmcs.load(Field.ENTRY_INTERRUPTION_INFO))


@lru_cache(maxsize=1024)
def _decoded(value: int) -> Interruption | None:
    return Interruption.decode(value) if value & INTERRUPTION_VALID else None


def injects(vmcs: Vmcs, kind: InterruptionType) -> bool:
    """Whether an event of that type is injected; reads the entry interruption information."""
    value = vmcs.load(Field.ENTRY_INTERRUPTION_INFO)
    return value & (INTERRUPTION_VALID | _TYPE_MASK) == INTERRUPTION_VALID | kind << 8


def is_page_address(address: int, bits: int) -> bool:
    """Whether a physical address is 4-KByte aligned and sets no bit beyond the physical width."""
    return not address & 0xFFF and not address >> bits


def is_pat(value: int) -> bool:
    """Whether each byte is a memory type that the PAT can hold: 0, 1, 4, 5, 6 or 7."""
    return all(byte in (0, 1, 4, 5, 6, 7) for byte in value.to_bytes(8, "little"))
