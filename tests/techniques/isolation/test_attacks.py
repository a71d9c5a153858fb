"""Every attack succeeds without its protection and is stopped with it, under every technique."""

from __future__ import annotations

from functools import cache

import pytest

import workloads
from hardware_model.boot import IMAGE_BASE, KERNEL_BASE
from hardware_model.vtd.fault_reasons import FaultReason
from techniques import Outcome, find, names, run_guest
from techniques.isolation import ATTACKS
from techniques.isolation.attacks import Protection
from techniques.refusals import RefusalReason

VMMS = [name for name in names() if name != "native"]
BREACHES = ("isolation.breach.bytes", "isolation.breach.interrupts")


@cache
def cell(technique: str, attack: str, protected: bool) -> Outcome:
    """The attack under a technique, run once for all tests."""
    return run_guest(technique, workloads.find(attack), "small", knobs={"protection": protected})


@pytest.fixture(scope="module")
def natively() -> dict[str, dict[str, str]]:
    found = {name: run_guest("native", workloads.find(name), "small") for name in ATTACKS}
    assert {outcome.status for outcome in found.values()} == {"ok"}
    return {name: outcome.outcome_parts for name, outcome in found.items()}


def test_every_workload_of_the_family_is_declared() -> None:
    assert {w.name for w in workloads.all() if w.family == "isolation"} == set(ATTACKS)


@pytest.mark.parametrize("technique", VMMS)
@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_succeeds_unprotected_and_is_stopped_and_reported_protected(
    natively: dict[str, dict[str, str]], technique: str, attack: str
) -> None:
    stopped, let = cell(technique, attack, True), cell(technique, attack, False)
    assert stopped.status == "ok", stopped.reason  # the witnesses' and the victim's word
    assert let.status == "ok", let.reason
    for outcome in (stopped, let):  # the attacker cannot tell
        assert outcome.outcome_parts.items() <= natively[attack].items()
    assert not any(stopped.counters_total.get(name) for name in BREACHES)
    assert any(let.counters_total.get(name) for name in BREACHES)
    reason = ATTACKS[attack].reason
    if isinstance(reason, FaultReason):
        assert stopped.counters_total[f"vtd.fault.{reason.name.lower()}"] == 1
        assert len(stopped.notes) == 1
        assert f"reason {reason:#04x}" in stopped.notes[0]


def test_a_stale_translation_is_what_serves_the_attack_without_strict_unmapping() -> None:
    workload = workloads.find("isolation/dma@stale")
    let = run_guest("hvm-ept", workload, "small", knobs={"protection": False})
    assert let.counters_total["vtd.iotlb.stale"] == 1
    assert let.counters_total["iommu.deferred"] == 1
    stopped = run_guest("hvm-ept", workload, "small")
    assert "vtd.iotlb.stale" not in stopped.counters_total
    assert stopped.counters_total["vtd.iotlb.dropped"] == 1


RECORDED = {
    "isolation/dma": ("DMA read", FaultReason.READ_DENIED),
    "isolation/dma@write": ("DMA write", FaultReason.WRITE_DENIED),
    "isolation/dma@vmm": ("DMA write", FaultReason.WRITE_DENIED),
    "isolation/dma@across-page": ("DMA write", FaultReason.WRITE_DENIED),
    "isolation/dma@after-unmap": ("DMA write", FaultReason.WRITE_DENIED),
    "isolation/dma@stale": ("DMA write", FaultReason.WRITE_DENIED),
    "isolation/dma@after-reassignment": ("DMA write", FaultReason.CONTEXT_NOT_PRESENT),
    "isolation/dma@interrupt": ("interrupt request", FaultReason.COMPATIBILITY_BLOCKED),
    "isolation/dma@interrupt-index": ("interrupt request", FaultReason.SOURCE_MISMATCH),
}
"""What the remapping unit has on record: the request, and why it was blocked."""


def _place(technique: str, attack: str) -> str:
    """Where the request went: the victim's machine address, one's own guest-physical one, or the interrupt's index."""
    kind, workload = find(technique), workloads.find(attack)
    size = workload.ram_mib << 20
    victim = kind.vmm_bytes + size
    image = workload.image(pv=technique == "pv")
    match attack.partition("@")[2]:
        case "interrupt" | "interrupt-index":
            return "with index 0"
        case "vmm":
            return f"at {victim + (0x1000 if technique.startswith('hvm') else 0):#x}"
        case "across-page":
            return f"at {size:#x}"  # the first byte that is not its own
        case "after-unmap" | "stale" | "after-reassignment":
            return f"at {image.symbols['dma_buffer'] - KERNEL_BASE:#x}"
    return f"at {victim + kind.vmm_bytes + IMAGE_BASE:#x}"


@pytest.mark.parametrize("technique", VMMS)
@pytest.mark.parametrize("attack", RECORDED)
def test_blocked_dma_is_on_record_with_its_requester_reason_and_address(
    technique: str, attack: str
) -> None:
    request, reason = RECORDED[attack]
    place = _place(technique, attack)
    said = f"02:01.0 {request} {place}: {reason.doc} (reason {reason:#04x})"
    assert cell(technique, attack, True).notes == [said]
    assert cell(technique, attack, False).notes == []


REFUSED = {
    "bt": (RefusalReason.SHADOW, 8),
    "hvm-ept": (RefusalReason.EPT_VIOLATION, 8),
    "hvm-shadow": (RefusalReason.SHADOW, 8),
    "pv": (RefusalReason.FRAME, 1),
    "trap-and-emulate": (RefusalReason.SHADOW, 8),
}
"""How each VMM refuses a frame that is not its guest's, and how often: eight stores, or one page-table entry."""
BY_PAGE_TABLE = {
    "isolation/foreign-frame": 64,
    "isolation/foreign-frame@vmm-region": 64,
    "isolation/into-vmm": 4,
}
"""Attacks by page-table entries, and the bytes that they reach: what is written, or what the VMM's routine tells."""


@pytest.mark.parametrize("technique", VMMS)
@pytest.mark.parametrize("attack", BY_PAGE_TABLE)
def test_a_foreign_frame_is_refused_for_the_right_reason_at_its_address(
    technique: str, attack: str
) -> None:
    workload, vmm = workloads.find(attack), find(technique).vmm_bytes
    one_vm = vmm + (workload.ram_mib << 20)  # the attacker's, and the victim's
    address = one_vm + vmm + IMAGE_BASE if attack == "isolation/foreign-frame" else one_vm
    found = cell(technique, attack, True)
    reason, times = REFUSED[technique]
    if attack == "isolation/into-vmm":
        times = 1  # one jump
    assert found.notes == [f"{reason.doc} {address:#x}"]
    assert found.counters_total[f"refused.{reason.value}"] == times
    assert found.counters_total["refused"] == times
    let = cell(technique, attack, False)
    assert let.counters_total["isolation.breach.bytes"] == BY_PAGE_TABLE[attack]
    assert "refused" not in let.counters_total


FORGED = {
    "isolation/ring": (RefusalReason.DESCRIPTOR_ADDRESS, RefusalReason.GRANT),
    "isolation/ring@write": (RefusalReason.DESCRIPTOR_ADDRESS, RefusalReason.GRANT),
    "isolation/ring@beyond": (RefusalReason.DESCRIPTOR_NUMBER, RefusalReason.GRANT_SECTORS),
    "isolation/ring@loop": (RefusalReason.DESCRIPTOR_LOOP, RefusalReason.RING_INDEX),
}
"""What back ends have against each forged ring: virtio's, and Xen's."""
BLOCK, QUEUE, RING = 2 << 20, 0x4000, 0x8000  # devices' memory at the end of the guest's, and in it


def _forged_address(technique: str, attack: str) -> int:
    """Guest-physical of a virtio ring, machine address of a Xen ring."""
    vmm, size = find(technique).vmm_bytes, workloads.find(attack).ram_mib << 20
    own = vmm if technique == "pv" else 0  # where addresses of the attacker's memory begin
    return {
        "isolation/ring": own + size + vmm + IMAGE_BASE,  # the victim's kernel
        "isolation/ring@write": own + size + vmm + IMAGE_BASE,
        "isolation/ring@beyond": own + size,  # just behind
        "isolation/ring@loop": own + size - BLOCK + (RING if technique == "pv" else QUEUE),
    }[attack]


@pytest.mark.parametrize("technique", VMMS)
@pytest.mark.parametrize("attack", FORGED)
def test_a_forged_ring_is_refused_for_the_right_reason_at_its_address(
    technique: str, attack: str
) -> None:
    reason = FORGED[attack][technique == "pv"]
    found = cell(technique, attack, True)
    assert found.notes == [f"{reason.doc} {_forged_address(technique, attack):#x}"]
    assert found.counters_total[f"refused.{reason.value}"] == found.counters_total["refused"]
    let = cell(technique, attack, False)
    assert "refused" not in let.counters_total


def test_the_back_end_of_a_forged_ring_reads_and_writes_the_victim_only_if_it_believes() -> None:
    """64 bytes are looked at; of a sector written over them, one was the same."""
    for attack, bytes_ in (("isolation/ring", 64), ("isolation/ring@write", 63)):
        let = cell("hvm-ept", attack, False)
        assert let.counters_total["isolation.breach.bytes"] == bytes_
        assert let.counters_total["io.disk.request"] == 1
        stopped = cell("hvm-ept", attack, True)
        assert "io.disk.request" not in stopped.counters_total
        assert stopped.counters_total["io.doorbell"] == 2  # for receive buffers, and it was tried


def test_a_forged_entry_is_refused_by_name_under_pv() -> None:
    found = run_guest("pv", workloads.find("isolation/foreign-frame"), "small")
    assert found.counters_total["pv.rejected"] == 1


def test_a_vmcs_is_overwritten_without_remapping() -> None:
    assert ATTACKS["isolation/dma@vmm"].protection is Protection.REMAPPING
    workload = workloads.find("isolation/dma@vmm")
    found = run_guest("hvm-ept", workload, "small", knobs={"protection": False})
    assert found.counters_total["isolation.breach.bytes"] > 50
