"""Hostile guests are contained: they end as natively or with a sentence, within the VMM's memory, and nobody else notices."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

import workloads
from hardware_model import presets
from hardware_model.machine import End
from techniques import registry, run_guest
from techniques.guest import GuestImage
from techniques.guest_errors import GUEST_ERRORS
from techniques.knobs import resolve
from techniques.several import RoundRobin, shared_machine
from techniques.several.round_robin import Plan
from tests.conftest import RAM, Run, boot_native
from tests.proofs import equivalence
from tests.proofs.equivalence import VARIANTS, seen
from tests.proofs.figures import counted
from tests.proofs.hostile_guests import HOSTILE

VICTIM, GEOMETRY = "exit/hlt-timer", presets.load("nehalem").geometry
ALL = {**VARIANTS, "trap-and-emulate": ("trap-and-emulate", {})}
SHADOWING = tuple(name for name, (kind, _) in ALL.items() if kind != "hvm-ept")
TRACING = tuple(name for name in SHADOWING if name != "hvm-shadow, virtual-tlb")
EPT = tuple(name for name, (kind, _) in ALL.items() if kind == "hvm-ept")
DEPRIVILEGING = tuple(name for name, (kind, _) in ALL.items() if not kind.startswith("hvm"))
HVM_SHADOW = tuple(name for name, (kind, _) in ALL.items() if kind == "hvm-shadow")

REFUSED: dict[str, tuple[tuple[str, ...], str]] = {
    "an IDT where there is no memory": (("native", *ALL), "0x"),
    "a GDT where there is no memory": (("native", *ALL), "0x"),
    "a root where there is no memory": (
        EPT,
        "no guest memory at linear address 0xffffffff8011000d",
    ),
    "a root with reserved bits set": (DEPRIVILEGING, "uses all linear addresses"),
    "a stack of page tables": (TRACING, "does not know the store at 0xffffffff80110007: push rax"),
    "handlers that fault until the stack has eaten everything": (HVM_SHADOW, "0xffffffff8011000"),
}
"""Where the model gives a guest up: with this in its sentence."""
LIVES_ON_STALE_TRANSLATIONS = frozenset(
    {
        "handlers that fault until the stack has eaten everything",
        "the kernel unmapped through a root that maps itself",
    }
)
"""How far they come after their tables are gone depends on the TLB: only that they end alike is compared."""


def run(name: str, variant: str) -> tuple[End | str, Run]:
    """How a guest ended under a technique (or the sentence with which it was given up), and what it ran on."""
    hostile = HOSTILE[name]
    booted = (
        boot_native(hostile.guest())
        if variant == "native"
        else equivalence.boot_guest(hostile.guest(), *ALL[variant])
    )
    try:
        return booted.run(hostile.budget).end or "", booted
    except GUEST_ERRORS as error:
        return str(error), booted


def bounded(vmm: Any, *, shadows: bool, translates: bool) -> None:
    """What a guest makes its VMM keep stays within the memory that the VMM has."""
    if shadows:
        pager = vmm.pager if hasattr(vmm, "pager") else vmm.shadow.pager
        pages = (getattr(pager._policy, "cache", None) or pager._policy._cache).pages()
        assert len({page.address for page in pages}) == len(pages)
        assert all(vmm.base <= page.address < vmm.memory.base for page in pages)
    if translates:
        cache = vmm.cache
        assert all(unit.entry in cache for unit in cache._order)
        assert len(cache._order) <= cache._size // 16


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_guest_ends_as_natively_or_with_a_sentence(name: str) -> None:
    natively, native = run(name, "native")
    variants, sentence = REFUSED.get(name, ((), ""))
    if "native" not in variants:
        assert natively is HOSTILE[name].end
    for variant in ALL:
        end, booted = run(name, variant)
        counted("hostile guests: guests x techniques")
        vmm = booted.resume.__self__  # type: ignore[attr-defined]
        bounded(vmm, shadows=variant in SHADOWING, translates=variant.startswith("bt"))
        if variant in variants:
            assert isinstance(end, str)
            assert sentence in end
            assert "\n" not in end
            continue
        assert end is natively, variant
        if name not in LIVES_ON_STALE_TRANSLATIONS:
            mine, its = seen(booted), seen(native)
            assert [part for part in its if mine[part] != its[part]] == [], variant


def plan(name: str, kind: str) -> Plan:
    """A hostile guest as one VM of several."""
    hostile, technique = HOSTILE[name], registry.find(kind)
    image = GuestImage(hostile.guest().image, [], {}, RAM)
    return Plan(technique, image, resolve(kind, technique.knobs, {}), hostile.budget)


def beside(name: str, kind: str, victim: str, natively: dict[str, str]) -> None:
    """The hostile guest under `kind`, the victim under `victim`, in turns on one machine."""
    neighbour = shared_machine.plan(victim, workloads.find(VICTIM), "small", {}, None)
    host = RoundRobin([plan(name, kind), neighbour], GEOMETRY, units=1_501)
    host.run()
    hostile, other = host.machines
    assert hostile.end is not None
    found = shared_machine.outcome(other)
    assert (found.status, found.reason) == ("ok", "")
    assert found.outcome_parts.items() <= natively.items()
    counted("hostile guests: beside a victim")


@pytest.fixture(scope="module")
def natively() -> dict[str, str]:
    return run_guest("native", workloads.find(VICTIM), "small").outcome_parts


KINDS = ("hvm-shadow", "bt", "hvm-ept", "trap-and-emulate")
PAIRS = [
    (name, KINDS[number % 4], ("hvm-ept", "pv", "bt")[number % 3])
    for number, name in enumerate(HOSTILE)
]


@pytest.mark.parametrize(("name", "kind", "victim"), PAIRS)
def test_another_vm_does_not_notice(
    name: str, kind: str, victim: str, natively: dict[str, str]
) -> None:
    beside(name, kind, victim, natively)


@pytest.mark.soak
@pytest.mark.parametrize("name", HOSTILE)
def test_another_vm_does_not_notice_under_any_technique(
    name: str, natively: dict[str, str]
) -> None:
    for kind, victim in itertools.product(KINDS, ("hvm-shadow", "hvm-ept", "pv", "bt")):
        beside(name, kind, victim, natively)
