"""Where a PV domain's parts lie at its start (Xen public header `xen.h`, "start-of-day").

All numbers are the guest's own: pseudo-physical addresses and frame numbers, linear addresses. Our images have no ELF
notes; they are built for this layout (VIRT_BASE = KERNEL_BASE, entry = image start). The first GiB is mapped, as
natively. Frames that the builder uses lie below the image, where the native kernel never looks either:

    frame 1   start_info          4   boot information, passed as the module
          2   console ring        8 ...  the P2M list, 8 bytes for each frame
          3   store ring          behind it: page tables PML4, PDPT, PD, one PT for each 2 MiB mapped

In a domain of more than about 240 MiB the P2M list and the page tables do not fit there. They are the last of the
mapped frames then, and the boot information has the kernel's memory end before them.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field

from hardware_model.boot import IMAGE_BASE, KERNEL_BASE, MAGIC, PARAMETERS
from techniques.guest import GuestImage
from techniques.paravirtual import abi
from techniques.technique import GuestError

_MAPPED_FRAMES = 1 << 18  # a GiB
_START_INFO, _CONSOLE, _STORE, _MODULE, _P2M = 1, 2, 3, 4, 8


@dataclass(frozen=True, slots=True)
class DomainLayout:
    """What the domain builder needs to know.

    `contents`: bytes by pseudo-physical address. Frames 0 to `mapped` are mapped at `virtual_base`, page tables from
    `first_table` on. The P2M list lies at `p2m` and, if `p2m_linear` is not 0, is mapped there. `module` is what
    start_info calls so: address and bytes; `store` 0: the domain has no xenstore.
    """

    entry: int
    stack: int
    contents: Sequence[tuple[int, bytes]]
    mapped: int
    first_table: int
    p2m: int
    start_info: int
    console: int
    store: int
    module: tuple[int, int]
    flags: int = 0
    virtual_base: int = KERNEL_BASE
    p2m_linear: int = 0
    hypercall_page: int | None = None
    command_line: bytes = field(default=b"")

    def linear(self, address: int) -> int:
        """Where a pseudo-physical address is mapped."""
        return self.virtual_base + address


def own_layout(image: GuestImage, pages: int, command_line: str, *, store: bool) -> DomainLayout:
    """For an image of our own with `pages` frames, with a xenstore or without; GuestError if it does not fit."""
    mapped = min(pages, _MAPPED_FRAMES)
    p2m, first_table, ram = _place(pages, mapped)
    if IMAGE_BASE + len(image.code) > ram << 12:
        raise GuestError(f"a PV domain of {pages >> 8} MiB does not hold its kernel")
    parameters = [*image.parameters, *[0] * (PARAMETERS - len(image.parameters))]
    head = (MAGIC, ram * abi.PAGE, IMAGE_BASE, len(image.code))
    module = struct.pack("<20Q", *head, *parameters)
    return DomainLayout(
        entry=KERNEL_BASE + IMAGE_BASE,
        stack=KERNEL_BASE + (_P2M << 12),
        contents=((IMAGE_BASE, image.code), (_MODULE << 12, module)),
        mapped=mapped,
        first_table=first_table,
        p2m=p2m,
        start_info=_START_INFO,
        console=_CONSOLE,
        store=_STORE if store else 0,
        module=(KERNEL_BASE + (_MODULE << 12), len(module)),
        command_line=command_line.encode(),
    )


def _place(pages: int, mapped: int) -> tuple[int, int, int]:
    """Frames at which the P2M list, the page tables and what is not the kernel's memory start."""
    p2m_frames, tables = -(-pages // 512), 3 + -(-mapped // 512)
    if (_P2M + p2m_frames + tables) << 12 <= IMAGE_BASE:
        return _P2M, _P2M + p2m_frames, pages
    first_table = mapped - tables
    return first_table - p2m_frames, first_table, first_table - p2m_frames
