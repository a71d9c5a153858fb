"""What an ELF kernel says about itself to Xen (Xen public header `elfnote.h`)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from hardware_model.linux_boot.elf import Elf
from techniques.technique import GuestError

_OWNER = "Xen"
_UNSET = (1 << 64) - 1


class XenNote(IntEnum):
    """Types of notes that the domain builder obeys."""

    ENTRY = 1
    HYPERCALL_PAGE = 2
    VIRT_BASE = 3
    PADDR_OFFSET = 4
    GUEST_OS = 6
    FEATURES = 10
    INIT_P2M = 15
    MOD_START_PFN = 16


@dataclass(frozen=True, slots=True)
class XenNotes:
    """The values of one kernel. `hypercall_page` and `initial_p2m` are None where the kernel asks for none."""

    entry: int
    virtual_base: int
    hypercall_page: int | None
    initial_p2m: int | None
    module_by_frame: bool


def read(kernel: Elf) -> XenNotes:
    """The notes of `kernel`; GuestError if it has no entry for Xen's PV guests."""
    found = {
        note.type: int.from_bytes(note.data[:8], "little")
        for note in kernel.notes()
        if note.name == _OWNER
    }
    if XenNote.ENTRY not in found:
        raise GuestError("the kernel has no Xen PV entry (no ELF note of Xen says where it starts)")
    if found.get(XenNote.PADDR_OFFSET, 0):
        raise GuestError("the kernel's Xen notes ask for a PADDR_OFFSET, which is obsolete")
    page, p2m = found.get(XenNote.HYPERCALL_PAGE, _UNSET), found.get(XenNote.INIT_P2M, _UNSET)
    return XenNotes(
        entry=found[XenNote.ENTRY],
        virtual_base=found.get(XenNote.VIRT_BASE, 0),
        hypercall_page=None if page == _UNSET else page,
        initial_p2m=None if p2m == _UNSET else p2m,
        module_by_frame=bool(found.get(XenNote.MOD_START_PFN, 0)),
    )
