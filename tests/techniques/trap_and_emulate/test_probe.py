"""The sensitive-instruction probe differs from native on exactly the instructions that theory names."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest

import workloads
from hardware_model.boot import KERNEL_BASE
from hardware_model.machine import Machine
from hardware_model.system_instructions import critical, divergent_probes, equal_probes
from techniques.knobs import resolve
from techniques.native import Native
from techniques.runner import guest_image
from techniques.technique import Technique
from techniques.trap_and_emulate import TrapAndEmulate

IF = 0x200
VMM_GDT, VMM_IDT = 0xFFFF_8780_0000_0000, 0xFFFF_8780_0002_1000
POLICIES = ("trace", "virtual-tlb", "unsync")


@cache
def run(kind: type[Technique], policy: str = "") -> tuple[dict[str, int], Any]:
    """What each slot of the probe showed, and the guest."""
    workload = workloads.find("sensitive/probe")
    image = guest_image(workload, "small")
    machine = Machine(kind.vmm_bytes + image.ram_bytes)
    knobs = {"shadow.policy": policy} if policy else {}
    guest = kind(machine, image, resolve(kind.name, kind.knobs, knobs))
    guest.run(50_000_000)
    first = image.symbols["result"] - KERNEL_BASE
    shown = {name: guest.memory.read64(first + 8 * i) for i, name in enumerate(workload.slots)}
    return shown, guest


@pytest.fixture(scope="module", autouse=True)
def _freed() -> Iterator[None]:
    yield
    run.cache_clear()


@pytest.mark.parametrize("policy", POLICIES)
def test_the_probe_diverges_on_the_critical_instructions_and_on_nothing_else(policy: str) -> None:
    native, _ = run(Native)
    deprivileged, _ = run(TrapAndEmulate, policy)
    differing = {name for name, value in native.items() if deprivileged[name] != value}
    assert differing == divergent_probes()
    assert len(differing) == 21
    assert set(native) - differing == equal_probes()


def test_every_critical_instruction_has_a_slot() -> None:
    assert all(row.differs for row in critical())
    assert len(critical()) == 19


def test_the_guests_end_alike_although_they_saw_different_things() -> None:
    (_, native), (_, guest) = run(Native), run(TrapAndEmulate, "trace")
    assert native.platform.exit_port.status == guest.platform.exit_port.status == 0
    assert native.guest_registers() == guest.guest_registers()


SHOWN = {
    "sgdt": VMM_GDT << 16 & (1 << 64) - 1 | 0xFFEF,
    "sidt": VMM_IDT << 16 & (1 << 64) - 1 | 0xFFF,
    "sldt": 0xFFE0,
    "str": 0xFFD0,
    "smsw": 0x3B,  # NE, which the probe had cleared
    "pushf": IF,
    "popf": IF,  # set after it was cleared, and clear after it was set
    "lar": 1 << 63 | 0x00C0B200,
    "lsl": 1 << 63 | 0xFFFFFFFF,
    "verr": 1 << 63 | 1,
    "verw": 1 << 63 | 1,
    "mov-from-cs": 0x09,
    "mov-from-ss": 0x11,
    "call-far": 0x09,
}
ACCEPTED = ("mov-to-ss", "mov-to-ds", "pop-fs", "lfs", "jmp-far", "ret-far", "iret-rpl1")


def test_each_of_them_shows_the_vmms_state_or_accepts_ring_1() -> None:
    shown, _ = run(TrapAndEmulate, "trace")
    assert {name: shown[name] for name in SHOWN} == SHOWN
    assert {shown[name] for name in ACCEPTED} == {1}
    assert set(SHOWN) | set(ACCEPTED) == divergent_probes()


def test_privileged_instructions_are_among_the_hot_exits_by_their_names() -> None:
    _, guest = run(TrapAndEmulate, "trace")
    names = {name for name, _ in guest.hot_exits}
    assert {
        "cli",
        "sti",
        "lgdt",
        "lidt",
        "lldt",
        "ltr",
        "invlpg",
        "wbinvd",
        "rdmsr",
        "swapgs",
        "in",
        "out",
    } <= names
    assert {"pf", "int", "ud"} <= names
