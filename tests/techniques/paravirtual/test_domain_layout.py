"""Where the parts of a domain with a kernel of our own lie: nowhere two at once, whatever its memory."""

from __future__ import annotations

import struct
from dataclasses import replace
from itertools import pairwise

import pytest

import workloads
from hardware_model.boot import IMAGE_BASE, KERNEL_BASE
from hardware_model.machine import Machine
from techniques import run_guest
from techniques.guest import GuestImage
from techniques.knobs import resolve
from techniques.paravirtual import page_entries as E
from techniques.paravirtual.domain_layout import own_layout
from techniques.paravirtual.vmm import Paravirtual
from techniques.runner import guest_image
from techniques.technique import GuestError

MIB, GIB_FRAMES = 256, 1 << 18
CODE = bytes(0x30000)


@pytest.mark.parametrize("mebibytes", [2, 16, 64, 239, 240, 256, 1000, 1024, 1025, 4096])
def test_the_parts_lie_side_by_side(mebibytes: int) -> None:
    pages = mebibytes * MIB
    layout = own_layout(GuestImage(CODE, (), {}, pages << 12), pages, "", store=True)
    kernel = struct.unpack_from("<2Q", layout.contents[1][1])[1] >> 12  # frames that it is told of
    tables = 3 + -(-layout.mapped // 512)
    parts = [
        (0, 8),
        (layout.p2m, layout.p2m + -(-pages // 512)),
        (layout.first_table, layout.first_table + tables),
        (IMAGE_BASE >> 12, kernel),
        (layout.mapped, layout.mapped),
    ]
    ordered = sorted(parts)
    assert all(a[1] <= b[0] for a, b in pairwise(ordered))
    assert layout.mapped == min(pages, GIB_FRAMES)
    assert kernel >= min(pages, GIB_FRAMES) - 2048 - 512 - 3


def test_a_domain_that_does_not_hold_its_kernel_is_refused_with_a_sentence() -> None:
    with pytest.raises(GuestError, match="1 MiB does not hold its kernel"):
        own_layout(GuestImage(CODE, (), {}, 1 << 20), MIB, "", store=False)


@pytest.mark.parametrize("mebibytes", [240, 1024])
def test_what_is_mapped_at_the_start_are_the_domains_frames_in_order(mebibytes: int) -> None:
    image = guest_image(replace(workloads.find("nano/in"), ram_mib=mebibytes), "small", ported=True)
    machine = Machine(Paravirtual.vmm_bytes_beside(image.ram_bytes) + image.ram_bytes)
    vmm = Paravirtual(machine, image, resolve("pv", Paravirtual.knobs, {}))
    vmm.start()
    memory, domain = vmm.domain.memory, vmm.domain
    read_only = 0
    for pfn in range(0, domain.pages, 7):
        at = memory.entry_address(domain.cpu.kernel_root, KERNEL_BASE + (pfn << 12))
        entry = machine.memory.read64(at)
        assert E.frame(entry) == domain.mfn(pfn)
        assert bool(entry & E.WRITABLE) != domain.types[domain.mfn(pfn)].type.is_table
        read_only += not entry & E.WRITABLE
    assert read_only


@pytest.mark.parametrize("mebibytes", [16, 512, 4096])
def test_programs_run_in_small_domains_and_large_ones(mebibytes: int) -> None:
    workload = replace(workloads.find("kernel/cow-fault"), ram_mib=mebibytes)
    domain, native = run_guest("pv", workload, "small"), run_guest("native", workload, "small")
    assert domain.status == "ok", domain.reason
    assert domain.outcome_parts["result"] == native.outcome_parts["result"]
