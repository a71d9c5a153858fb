"""The domain builder: memory and registers of a PV guest at its start (Xen public header `xen.h`, "start-of-day").

What lies where is a layout's business (`domain_layout.py`, `linux_layout.py`). Page tables are the domain's own frames,
mapped read-only; Xen validates and pins them before the guest runs. RSI = linear address of start_info.
"""

from __future__ import annotations

import struct

import numpy as np

from hardware_model.boot import CpuState
from techniques.guest import GuestMemory
from techniques.paravirtual import abi, ring1_cpu, xen_mappings
from techniques.paravirtual.domain import Domain
from techniques.paravirtual.domain_layout import DomainLayout
from techniques.paravirtual.first_tables import FirstTables
from techniques.paravirtual.hypercall_page import hypercall_page
from techniques.paravirtual.page_types import FrameType
from techniques.paravirtual.virtual_cpu import CODE, DATA

_RSI = 6
CONSOLE_PORT, STORE_PORT = 2, 1


class DomainBuilder:
    """Builds one domain by `layout` into `guest`."""

    def __init__(self, domain: Domain, guest: GuestMemory, layout: DomainLayout) -> None:
        self._domain = domain
        self._guest = guest
        self._layout = layout

    def build(self) -> CpuState:
        """Load everything, pin the page tables and make them current; the state to start with."""
        layout, domain = self._layout, self._domain
        for address, data in layout.contents:
            self._guest.write(address, data)
        if layout.hypercall_page is not None:
            self._guest.write(layout.hypercall_page - layout.virtual_base, hypercall_page())
        mfns = np.arange(domain.first_mfn, domain.first_mfn + domain.pages, dtype=np.uint64)
        self._guest.write(layout.p2m << 12, mfns.tobytes())
        tables = self._map()
        self._guest.write(layout.start_info << 12, self._start_info(tables))
        root = domain.mfn(layout.first_table)
        domain.types.pin(root, FrameType.L4)
        domain.types.get_page_and_type(root, FrameType.L4)
        domain.cpu.kernel_root = root << 12
        ring1 = domain.direct_traps
        return CpuState(
            rip=layout.entry,
            rsp=layout.stack,
            cr3=root << 12,
            gpr={_RSI: layout.linear(layout.start_info << 12)},
            cr0=0x80050033,
            cr4=0x6A0,
            efer=0xD01,
            rflags=0x202,
            code=ring1_cpu.CODE if ring1 else CODE,
            data=ring1_cpu.DATA if ring1 else DATA,
            gdtr=domain.mappings.gdtr,
            idtr=(xen_mappings.IDT, abi.PAGE - 1),
        )

    def _p2m_frames(self) -> int:
        return -(-8 * self._domain.pages // abi.PAGE)

    def _map(self) -> FirstTables:
        layout = self._layout
        tables = FirstTables(self._guest, self._domain.first_mfn, layout.first_table)
        tables.map(layout.virtual_base, 0, layout.mapped)
        if layout.p2m_linear:
            tables.map(layout.p2m_linear, layout.p2m, self._p2m_frames())
        tables.store()
        return tables

    def _start_info(self, tables: FirstTables) -> bytes:
        layout, mfn = self._layout, self._domain.mfn
        page = bytearray(abi.PAGE)
        page[: len(abi.START_INFO_MAGIC)] = abi.START_INFO_MAGIC
        p2m = layout.p2m_linear or layout.linear(layout.p2m << 12)
        words = {
            abi.START_NR_PAGES: self._domain.pages,
            abi.START_SHARED_INFO: self._domain.shared.page,
            abi.START_STORE_MFN: mfn(layout.store) if layout.store else 0,
            abi.START_CONSOLE_MFN: mfn(layout.console),
            abi.START_PT_BASE: layout.linear(layout.first_table << 12),
            abi.START_NR_PT_FRAMES: tables.count,
            abi.START_MFN_LIST: p2m,
            abi.START_MOD_START: layout.module[0],
            abi.START_MOD_LEN: layout.module[1],
            # Only for a list outside of the initial mapping.
            abi.START_FIRST_P2M_PFN: layout.p2m if layout.p2m_linear else 0,
            abi.START_NR_P2M_FRAMES: self._p2m_frames() if layout.p2m_linear else 0,
        }
        for offset, value in words.items():
            struct.pack_into("<Q", page, offset, value)
        struct.pack_into("<I", page, abi.START_FLAGS, layout.flags)
        struct.pack_into("<I", page, abi.START_CONSOLE_EVTCHN, CONSOLE_PORT)
        struct.pack_into("<I", page, abi.START_STORE_EVTCHN, STORE_PORT if layout.store else 0)
        text = layout.command_line[: abi.CMD_LINE_BYTES - 1]
        page[abi.START_CMD_LINE : abi.START_CMD_LINE + len(text)] = text
        return bytes(page)
