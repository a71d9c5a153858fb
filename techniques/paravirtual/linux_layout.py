"""Where the parts of an unmodified Linux kernel's PV domain lie, by its ELF notes (libxenguest's domain builder).

kernel segments at their physical addresses, then, page by page:
start_info | console ring | store ring | boot stack | page tables | slack to a multiple of 4 MiB   all mapped
P2M list (mapped at INIT_P2M) | initial ramdisk (not mapped, found by its frame)                   not mapped
"""

from __future__ import annotations

from hardware_model.linux_boot.bz_image import BzImage
from hardware_model.linux_boot.elf import Elf
from hardware_model.linux_boot.errors import KernelError
from hardware_model.linux_boot.protocol import Kernel
from techniques.paravirtual import abi, xen_notes
from techniques.paravirtual.domain_layout import DomainLayout

_SLACK, _ALIGNMENT = 512 << 10 >> 12, 4 << 20 >> 12
_TABLE_PAGES = 512
MODULE_BY_FRAME = 8  # start_info.flags SIF_MOD_START_PFN
_SMALL_PARTS = 4


def linux_layout(kernel: Kernel, pages: int, *, store: bool = False) -> DomainLayout:
    """For `kernel` in a domain of `pages` frames, with or without a xenstore.

    KernelError if it does not fit, GuestError if it knows no Xen.
    """
    file = kernel.file
    elf = Elf(file.unpack(), file.source) if isinstance(file, BzImage) else file
    notes, segments = xen_notes.read(elf), elf.segments()
    if not segments:
        raise KernelError(f"{elf.source}: nothing to load")
    start_info = _frames(max(segment.physical + segment.size for segment in segments))
    console, store_ring, stack, first_table = (start_info + n for n in range(1, _SMALL_PARTS + 1))
    mapped = _mapped(first_table, pages)
    p2m = mapped
    ramdisk = p2m + _frames(8 * pages)
    if ramdisk + _frames(len(kernel.initrd)) > pages:
        raise KernelError(
            f"{pages >> 8} MiB of memory do not hold the kernel (up to {start_info << 12:#x}), "
            f"its first page tables and a ramdisk of {len(kernel.initrd)} bytes"
        )
    contents = [(segment.physical, segment.data) for segment in segments]
    return DomainLayout(
        entry=notes.entry,
        stack=notes.virtual_base + (stack + 1 << 12),
        contents=[*contents, (ramdisk << 12, kernel.initrd)],
        mapped=mapped,
        first_table=first_table,
        p2m=p2m,
        start_info=start_info,
        console=console,
        store=store_ring if store else 0,
        module=(ramdisk if kernel.initrd else 0, len(kernel.initrd)),
        flags=MODULE_BY_FRAME,
        virtual_base=notes.virtual_base,
        p2m_linear=notes.initial_p2m or 0,
        hypercall_page=notes.hypercall_page,
        command_line=kernel.command_line.encode(),
    )


def _frames(size: int) -> int:
    return -(-size // abi.PAGE)


def _mapped(first_table: int, pages: int) -> int:
    """Frames to be mapped: all up to the end of the page tables that this takes, and some slack."""
    p2m_tables = 2 + _frames(_frames(8 * pages) * 8)
    mapped = first_table
    while True:
        tables = 3 + -(-mapped // _TABLE_PAGES) + p2m_tables
        wanted = -(-(first_table + tables + _SLACK) // _ALIGNMENT) * _ALIGNMENT
        if wanted == mapped:
            return mapped
        mapped = wanted
