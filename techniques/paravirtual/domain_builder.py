"""The domain builder: memory and registers of a PV guest at its start (Xen public header `xen.h`, "start-of-day").

Our images have no ELF notes; they are built for this layout (VIRT_BASE = KERNEL_BASE, entry = image start). Frames
that the builder uses lie below the image, where the native kernel never looks either:

    frame 1   start_info          4   boot information, passed as the module
          2   console ring        8 ...  the P2M list, 8 bytes for each frame
          3   store ring          behind it: page tables PML4, PDPT, PD, one PT for each 2 MiB

Every frame is mapped at KERNEL_BASE + its number * 4096, page tables read-only. RSI = address of start_info.
"""

from __future__ import annotations

import struct

from hardware_model.boot import IMAGE_BASE, KERNEL_BASE, MAGIC, PARAMETERS, CpuState
from techniques.guest import GuestImage, GuestMemory
from techniques.paravirtual import abi
from techniques.paravirtual import page_entries as E
from techniques.paravirtual.domain import Domain
from techniques.paravirtual.page_types import FrameType
from techniques.paravirtual.virtual_cpu import CODE, DATA
from techniques.technique import GuestError

START_INFO, CONSOLE, STORE, MODULE, P2M = 1, 2, 3, 4, 8
_PAGE_FLAGS = E.PRESENT | E.WRITABLE | E.ACCESSED | E.DIRTY
_TABLE_FLAGS = _PAGE_FLAGS | E.USER
_LARGEST = 1 << 30
_RSI = 6
CONSOLE_PORT, STORE_PORT = 2, 1


class DomainBuilder:
    """Builds one domain from `image` into `guest`."""

    def __init__(
        self, domain: Domain, guest: GuestMemory, image: GuestImage, command_line: str
    ) -> None:
        self._domain = domain
        self._guest = guest
        self._image = image
        self._command_line = command_line.encode()
        self._p2m_frames = -(-domain.pages // 512)
        self._first_table = P2M + self._p2m_frames
        self._leaf_tables = -(-domain.pages // 512)
        self._tables = 3 + self._leaf_tables
        if guest.size > _LARGEST or (self._first_table + self._tables) << 12 > IMAGE_BASE:
            raise GuestError(
                f"a PV domain of {guest.size >> 20} MiB does not fit the builder's layout"
            )

    def build(self) -> CpuState:
        """Load everything, pin the page tables and make them current; the state to start with."""
        self._guest.write(IMAGE_BASE, self._image.code)
        self._write_module()
        pages = [self._domain.mfn(pfn) for pfn in range(self._domain.pages)]
        self._guest.write(P2M << 12, struct.pack(f"<{len(pages)}Q", *pages))
        self._write_tables()
        self._guest.write(START_INFO << 12, self._start_info())
        root = self._domain.mfn(self._first_table)
        types, cpu = self._domain.types, self._domain.cpu
        types.pin(root, FrameType.L4)
        types.get_page_and_type(root, FrameType.L4)
        cpu.kernel_root = root << 12
        return CpuState(
            rip=KERNEL_BASE + IMAGE_BASE,
            rsp=KERNEL_BASE + (P2M << 12),
            cr3=root << 12,
            gpr={_RSI: KERNEL_BASE + (START_INFO << 12)},
            cr0=0x80050033,
            cr4=0x6A0,
            efer=0xD01,
            rflags=0x202,
            code=CODE,
            data=DATA,
            gdtr=self._domain.mappings.gdtr,
        )

    def _write_module(self) -> None:
        parameters = [*self._image.parameters, *[0] * (PARAMETERS - len(self._image.parameters))]
        head = (MAGIC, self._guest.size, IMAGE_BASE, len(self._image.code))
        self._guest.write(MODULE << 12, struct.pack("<20Q", *head, *parameters))

    def _write_tables(self) -> None:
        mfn, first = self._domain.mfn, self._first_table
        root, pointers, directory = first, first + 1, first + 2
        self._guest.write64((root << 12) + 511 * 8, mfn(pointers) << 12 | _TABLE_FLAGS)
        self._guest.write64((pointers << 12) + 510 * 8, mfn(directory) << 12 | _TABLE_FLAGS)
        for number in range(self._leaf_tables):
            leaf = first + 3 + number
            self._guest.write64((directory << 12) + number * 8, mfn(leaf) << 12 | _TABLE_FLAGS)
            self._guest.write(leaf << 12, struct.pack("<512Q", *self._leaf_entries(number)))

    def _leaf_entries(self, number: int) -> list[int]:
        tables = range(self._first_table, self._first_table + self._tables)
        entries = [0] * 512
        for slot in range(512):
            pfn = number * 512 + slot
            if pfn < self._domain.pages:
                flags = _PAGE_FLAGS & ~E.WRITABLE if pfn in tables else _PAGE_FLAGS
                entries[slot] = self._domain.mfn(pfn) << 12 | flags
        return entries

    def _start_info(self) -> bytes:
        page = bytearray(abi.PAGE)
        page[: len(abi.START_INFO_MAGIC)] = abi.START_INFO_MAGIC
        words = {
            abi.START_NR_PAGES: self._domain.pages,
            abi.START_SHARED_INFO: self._domain.shared.page,
            abi.START_STORE_MFN: self._domain.mfn(STORE),
            abi.START_CONSOLE_MFN: self._domain.mfn(CONSOLE),
            abi.START_PT_BASE: KERNEL_BASE + (self._first_table << 12),
            abi.START_NR_PT_FRAMES: self._tables,
            abi.START_MFN_LIST: KERNEL_BASE + (P2M << 12),
            abi.START_MOD_START: KERNEL_BASE + (MODULE << 12),
            abi.START_MOD_LEN: 160,
            abi.START_FIRST_P2M_PFN: P2M,
            abi.START_NR_P2M_FRAMES: self._p2m_frames,
        }
        for offset, value in words.items():
            struct.pack_into("<Q", page, offset, value)
        struct.pack_into("<I", page, abi.START_CONSOLE_EVTCHN, CONSOLE_PORT)
        struct.pack_into("<I", page, abi.START_STORE_EVTCHN, STORE_PORT)
        text = self._command_line[: abi.CMD_LINE_BYTES - 1]
        page[abi.START_CMD_LINE : abi.START_CMD_LINE + len(text)] = text
        return bytes(page)
