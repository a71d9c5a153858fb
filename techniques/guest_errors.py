"""What a guest can do to end its own run with a sentence, and nobody else's."""

from __future__ import annotations

from hardware_model.cpu.device_access import UnsupportedAccess
from hardware_model.machine import MachineError
from hardware_model.mmu.tables import TableError
from hardware_model.vmx.transitions import VmEntryRefused
from techniques.shadow import ShadowError
from techniques.technique import GuestError

GUEST_ERRORS = (
    GuestError,
    MachineError,
    ShadowError,
    TableError,
    UnsupportedAccess,
    VmEntryRefused,
    IndexError,
)
