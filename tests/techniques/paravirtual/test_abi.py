"""Numbers and layouts are those of Xen's public headers, transcribed independently in `xen_headers.py`."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest

import workloads
from techniques import run_guest
from techniques.paravirtual import abi
from techniques.paravirtual.hypercall_table import HYPERCALLS
from techniques.paravirtual.vmm import Paravirtual
from techniques.technique import Technique

from . import xen_headers as xen

SIZES = {
    xen.vcpu_info: 64,
    xen.vcpu_time_info: 32,
    xen.trap_info: 16,
    xen.mmu_update: 16,
    xen.mmuext_op: 24,
    xen.multicall_entry: 64,
    xen.runstate_info: 48,
    xen.start_info: 1168,
    xen.grant_entry_v1: 8,
    xen.gnttab_setup_table: 24,
    xen.gnttab_query_size: 16,
    xen.gnttab_copy: 40,
}
"""What the headers' comments and the compiler say, and what the hypervisor takes for the length of a record."""


def test_structures_are_as_long_as_the_interface_has_them() -> None:
    assert {kind: ctypes.sizeof(kind) for kind in SIZES} == SIZES
    assert ctypes.sizeof(xen.shared_info) <= abi.PAGE


def test_hypercalls_have_xens_numbers() -> None:
    assert {call.name: call.number for call in HYPERCALLS} == xen.numbers(xen.HYPERCALLS)


@pytest.mark.parametrize("name", xen.ENUMERATIONS)
def test_commands_and_errors_have_xens_numbers(name: str) -> None:
    declared = {member.name: int(member) for member in getattr(abi, name)}
    assert declared == xen.numbers(xen.ENUMERATIONS[name])


def at(structure: type[ctypes.Structure], path: str) -> int:
    """Offset of a field, through nested structures."""
    offset: int = 0
    kind: type = structure
    for name in path.split("."):
        offset += getattr(kind, name).offset
        kind = dict(kind._fields_)[name]  # type: ignore[attr-defined]
    return offset


@pytest.mark.parametrize(
    ("declared", "structure", "field"),
    [
        (abi.UPCALL_PENDING, xen.vcpu_info, "evtchn_upcall_pending"),
        (abi.UPCALL_MASK, xen.vcpu_info, "evtchn_upcall_mask"),
        (abi.PENDING_SELECTOR, xen.vcpu_info, "evtchn_pending_sel"),
        (abi.VCPU_CR2, xen.vcpu_info, "arch.cr2"),
        (abi.VCPU_TIME, xen.vcpu_info, "time"),
        (abi.EVTCHN_PENDING, xen.shared_info, "evtchn_pending"),
        (abi.EVTCHN_MASK, xen.shared_info, "evtchn_mask"),
        (abi.WALL_CLOCK, xen.shared_info, "wc_version"),
        (abi.START_NR_PAGES, xen.start_info, "nr_pages"),
        (abi.START_SHARED_INFO, xen.start_info, "shared_info"),
        (abi.START_FLAGS, xen.start_info, "flags"),
        (abi.START_STORE_MFN, xen.start_info, "store_mfn"),
        (abi.START_STORE_EVTCHN, xen.start_info, "store_evtchn"),
        (abi.START_CONSOLE_MFN, xen.start_info, "console.mfn"),
        (abi.START_CONSOLE_EVTCHN, xen.start_info, "console.evtchn"),
        (abi.START_PT_BASE, xen.start_info, "pt_base"),
        (abi.START_NR_PT_FRAMES, xen.start_info, "nr_pt_frames"),
        (abi.START_MFN_LIST, xen.start_info, "mfn_list"),
        (abi.START_MOD_START, xen.start_info, "mod_start"),
        (abi.START_MOD_LEN, xen.start_info, "mod_len"),
        (abi.START_CMD_LINE, xen.start_info, "cmd_line"),
        (abi.START_FIRST_P2M_PFN, xen.start_info, "first_p2m_pfn"),
        (abi.START_NR_P2M_FRAMES, xen.start_info, "nr_p2m_frames"),
    ],
)
def test_a_field_lies_where_the_compiler_puts_it(
    declared: int, structure: type[ctypes.Structure], field: str
) -> None:
    assert declared == at(structure, field)


def test_the_address_space_is_xens() -> None:
    assert abi.HYPERVISOR_START == 0xFFFF800000000000  # HYPERVISOR_VIRT_START
    assert abi.HYPERVISOR_END == 0xFFFF880000000000
    assert abi.M2P == 0xFFFF800000000000  # MACH2PHYS_VIRT_START
    selectors = (abi.FLAT_CODE32, abi.FLAT_CODE64, abi.FLAT_DATA)
    assert selectors == (0xE023, 0xE033, 0xE02B)  # FLAT_RING3_CS32, CS64, DS
    assert (abi.DOMID_SELF, abi.VGCF_IN_SYSCALL) == (0x7FF0, 1 << 8)


# --- what a guest finds when it starts ------------------------------------------------------------------
class Start:
    """A domain as it has just been built."""

    def __init__(self) -> None:
        self.guest: Paravirtual

    def watch(self, guest: Technique) -> None:
        """Look at it when it has been built, and end it there."""
        assert isinstance(guest, Paravirtual)
        whole = guest.start

        def start() -> None:
            whole()
            self.guest = guest
            domain, memory = guest.domain, guest.machine.memory
            self.words = [int(value) for value in guest.machine.registers.gpr]
            registers = guest.machine.registers
            self.rip, self.rflags = registers.rip, registers.rflags
            self.selectors = tuple(registers.segment(n).selector for n in ("cs", "ss", "ds", "es"))
            self.root = registers.cr(3)
            self.shared = xen.shared_info.from_buffer_copy(
                memory.read(domain.shared.page, abi.PAGE)
            )
            self.page = domain.memory.read(self.words[6], abi.PAGE)  # RSI
            self.info = xen.start_info.from_buffer_copy(self.page)
            types = domain.types
            self.tables = [mfn for mfn in types.mfns() if types[mfn].type.is_table]
            self.mapped = [
                self._entry(self.info.pt_base + n * abi.PAGE) for n in range(self.info.nr_pt_frames)
            ]
            self.p2m = np.frombuffer(
                domain.memory.read(self.info.mfn_list, 8 * self.info.nr_pages), np.uint64
            )

        guest.start = start  # type: ignore[method-assign]

    def _entry(self, linear: int) -> int:
        entry = self.guest.domain.memory.entry_address(self.root, linear)
        assert entry is not None
        return int(self.guest.machine.memory.read64(entry))


@pytest.fixture(scope="module")
def start() -> Start:
    found = Start()
    run_guest("pv", workloads.find("kernel/null-call"), "small,iterations=1", first=found.watch)
    return found


def test_start_info_tells_the_guest_what_it_has(start: Start) -> None:
    info, domain = start.info, start.guest.domain
    assert info.magic == b"xen-3.0-x86_64"
    assert info.nr_pages == domain.pages
    assert info.shared_info == domain.shared.page
    assert info.flags == 0  # neither privileged nor the first domain
    assert domain.types.owns(info.console.mfn)
    assert info.console.evtchn == 2
    assert (info.store_mfn, info.store_evtchn) == (0, 0)  # there are no devices to be found
    assert (info.first_p2m_pfn, info.nr_p2m_frames) == (0, 0)  # the list lies in the mapping
    module = domain.memory.read(info.mod_start, info.mod_len)
    assert len(module) == info.mod_len == 160
    assert info.cmd_line == b""


def test_the_list_of_frames_and_the_machine_to_physical_table_are_inverse(start: Start) -> None:
    domain = start.guest.domain
    assert start.p2m.tolist() == list(range(domain.first_mfn, domain.first_mfn + domain.pages))
    memory, mappings = start.guest.machine.memory, domain.mappings
    for pfn in (0, 1, domain.pages - 1):
        mfn = int(start.p2m[pfn])
        assert memory.read64(mappings._m2p[mfn >> 9] + 8 * (mfn & 511)) == pfn


def test_the_bootstrap_page_tables_lie_one_behind_the_other_and_are_mapped_read_only(
    start: Start,
) -> None:
    assert all(entry & 3 == 1 for entry in start.mapped)  # present, not writable
    frames = [entry >> 12 & 0xFFFFFFFFFF for entry in start.mapped]
    assert frames[0] << 12 == start.root
    assert frames == sorted(frames) == start.tables


def test_the_processor_starts_in_flat_segments_with_events_masked(start: Start) -> None:
    assert start.selectors == (0xE033, 0xE02B, 0xE02B, 0xE02B)
    assert start.rflags & 0x200
    assert all(vcpu.evtchn_upcall_mask == 1 for vcpu in start.shared.vcpu_info)


def test_the_shared_page_starts_with_nothing_pending_and_a_clock(start: Start) -> None:
    shared = start.shared
    assert not any(shared.evtchn_pending)
    assert all(word == (1 << 64) - 1 for word in shared.evtchn_mask)
    for vcpu in shared.vcpu_info:
        assert (vcpu.evtchn_upcall_pending, vcpu.evtchn_pending_sel, vcpu.arch.cr2) == (0, 0, 0)
    time = shared.vcpu_info[0].time
    assert not time.version & 1
    tsc = 123_456_789  # a nanosecond each
    shifted = (tsc - time.tsc_timestamp) << time.tsc_shift
    assert time.system_time + (shifted * time.tsc_to_system_mul >> 32) == tsc
    assert not shared.wc_version & 1
    assert (shared.wc_sec, shared.wc_nsec, shared.wc_sec_hi) == (1_000_000_000, 0, 0)
    assert (shared.arch.max_pfn, shared.arch.pfn_to_mfn_frame_list_list) == (0, 0)  # the guest's
