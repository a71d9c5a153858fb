"""What an ELF kernel's Xen notes ask for, and where its domain's parts come to lie."""

from __future__ import annotations

import struct

import pytest

from hardware_model.linux_boot.elf import Elf
from hardware_model.linux_boot.errors import KernelError
from hardware_model.linux_boot.protocol import Kernel
from techniques.paravirtual import xen_notes
from techniques.paravirtual.hypercall_page import hypercall_page
from techniques.paravirtual.linux_layout import linux_layout
from techniques.paravirtual.xen_notes import XenNote
from techniques.technique import GuestError

BASE, ENTRY, P2M = 0xFFFFFFFF80000000, 0xFFFFFFFF81000100, 0x8000000000
NOTES = {
    XenNote.ENTRY: ENTRY,
    XenNote.VIRT_BASE: BASE,
    XenNote.INIT_P2M: P2M,
    XenNote.MOD_START_PFN: 1,
}


def kernel(notes: dict[XenNote, int]) -> Elf:
    """One page of code at 16 MiB, and the notes."""
    note = b"".join(
        struct.pack("<III4sQ", 4, 8, kind, b"Xen\0", value) for kind, value in notes.items()
    )
    code = b"\x90" * 4096
    headers = struct.pack("<IIQQQQQQ", 1, 5, 0x1000, BASE + 0x1000000, 0x1000000, 4096, 8192, 4096)
    headers += struct.pack("<IIQQQQQQ", 4, 4, 0x2000, 0, 0, len(note), len(note), 4)
    ident = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")
    head = struct.pack("<16sHHIQQQIHHHHHH", ident, 2, 62, 1, ENTRY, 64, 0, 0, 64, 56, 2, 0, 0, 0)
    return Elf((head + headers).ljust(0x1000, b"\0") + code + note, "test kernel")


def test_the_notes_say_where_the_kernel_starts_and_what_it_wants() -> None:
    notes = xen_notes.read(kernel(NOTES))
    assert (notes.entry, notes.virtual_base, notes.initial_p2m) == (ENTRY, BASE, P2M)
    assert notes.module_by_frame
    assert notes.hypercall_page is None


def test_a_kernel_without_an_entry_for_xen_is_refused_with_a_sentence() -> None:
    with pytest.raises(GuestError, match="no Xen PV entry"):
        xen_notes.read(kernel({XenNote.VIRT_BASE: BASE}))


def test_tables_and_what_they_map_fit_into_each_other() -> None:
    pages = 16384
    layout = linux_layout(Kernel(kernel(NOTES), b"ramdisk", "quiet"), pages)
    assert layout.start_info == 0x1002  # behind the segment's two pages
    tables = 3 + -(-layout.mapped // 512) + 2 + 1  # those of the image, and of the P2M list
    assert layout.first_table + tables + 128 <= layout.mapped
    assert layout.mapped % 1024 == 0
    assert layout.p2m == layout.mapped
    assert layout.module == (layout.p2m + pages * 8 // 4096, len(b"ramdisk"))


def test_too_little_memory_is_refused_with_a_sentence() -> None:
    with pytest.raises(KernelError, match="do not hold the kernel"):
        linux_layout(Kernel(kernel(NOTES), b"", ""), 4200)


def test_the_hypercall_page_has_a_stub_for_each_number() -> None:
    page = hypercall_page()
    assert len(page) == 4096
    assert page[32 : 32 + 14] == bytes.fromhex("51 41 53 b8 01 00 00 00 0f 05 41 5b 59 c3")
    assert page[23 * 32 : 23 * 32 + 11] == bytes.fromhex("51 41 53 50 b8 17 00 00 00 0f 05")
