"""Techniques broken on purpose: random programs find it, are made small, and the message says from which seed and what."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache, lru_cache
from typing import Any

import pytest

from techniques.paravirtual import virtual_cpu
from techniques.paravirtual.memory_hypercalls import MemoryHypercalls
from techniques.paravirtual.page_table_writes import PageTableWrites
from techniques.paravirtual.processor_hypercalls import ProcessorHypercalls
from techniques.paravirtual.shared_info import SharedInfo
from techniques.paravirtual.virtual_cpu import VirtualCpu
from tests.conftest import boot_native
from tests.proofs import equivalence, programs, random_programs
from tests.proofs import ported_equivalence as ported
from tests.proofs import test_ported_equivalence as ported_programs
from tests.proofs import test_technique_equivalence as kernel_programs
from tests.proofs.figures import counted
from tests.techniques.binary_translation import test_mutants as translators
from tests.techniques.shadow import test_mutants as shadows

Patch = Callable[[pytest.MonkeyPatch], None]
MOST_STATEMENTS = 3


def invlpg_does_nothing(patch: pytest.MonkeyPatch) -> None:
    """The operation that invalidates one page leaves its translation."""
    patch.setattr(MemoryHypercalls, "_invalidate", lambda self, linear: None)


def stores_to_page_tables_are_lost(patch: pytest.MonkeyPatch) -> None:
    """The emulation of a plain store to a page table stores nothing."""
    patch.setattr(PageTableWrites, "_write", lambda self, linear, value, size: None)


def events_come_though_masked(patch: pytest.MonkeyPatch) -> None:
    """The mask of events is not looked at."""
    pending = property(lambda self: bool(self._memory.read(self.vcpu, 1)[0]))
    patch.setattr(SharedInfo, "wants_upcall", pending)


def error_codes_are_the_processors(patch: pytest.MonkeyPatch) -> None:
    """A page fault of the kernel looks like a user's, for it runs at CPL 3."""
    patch.setattr(virtual_cpu, "_PAGE_FAULT_USER", 0)


def frames_forget_the_mask(patch: pytest.MonkeyPatch) -> None:
    """A trap's frame says that events were open."""
    whole = VirtualCpu._frame
    patch.setattr(VirtualCpu, "_frame", lambda self, rip, error, _: whole(self, rip, error, False))


def fs_keeps_its_base(patch: pytest.MonkeyPatch) -> None:
    """The base of FS cannot be set."""
    whole = ProcessorHypercalls.set_segment_base

    def but_not_fs(self: ProcessorHypercalls, which: int, base: int, *rest: int) -> int:
        return whole(self, which, base, *rest) if which else 0

    patch.setattr(ProcessorHypercalls, "set_segment_base", but_not_fs)


QUICK = (
    stores_to_page_tables_are_lost,
    events_come_though_masked,
    error_codes_are_the_processors,
    fs_keeps_its_base,
)
LONGER = (invlpg_does_nothing, frames_forget_the_mask)


@cache
def ported_natively(program: Any) -> dict[str, Any]:
    return ported.seen(ported.boot("native", {}, program))


def differs_ported(program: Any) -> bool:
    return ported_natively(program) != ported.seen(ported.boot("pv", {}, program))


def told(make: Callable[[Any], Any], differs: Callable[[Any], Any]) -> str:
    """What a developer reads when the programs of seeds 0 to 199 are tried."""
    with pytest.raises(AssertionError) as caught:
        random_programs.check(range(200), make, differs)
    counted("random programs: broken techniques found and shrunk")
    return str(caught.value)


def small(message: str) -> Any:
    """The program in the message, which must be small."""
    found = re.match(r"seed \d+, smallest program: (.*)\n", message)
    assert found is not None
    program = eval(found[1])
    assert len(program[0]) + len(program[1]) <= MOST_STATEMENTS
    return program


def check_ported(broken: Patch, patch: pytest.MonkeyPatch) -> None:
    """With the broken technique the message's program differs, without it it does not."""
    with patch.context() as context:
        broken(context)
        program = small(told(ported_programs.program, differs_ported))
        assert differs_ported(program)
    assert not differs_ported(program)


@pytest.mark.parametrize("broken", QUICK)
def test_a_broken_hypervisor_is_found_by_a_small_program(
    broken: Patch, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_ported(broken, monkeypatch)


@pytest.mark.soak
@pytest.mark.parametrize("broken", LONGER)
def test_a_hypervisor_broken_in_a_corner_is_found_by_a_small_program(
    broken: Patch, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_ported(broken, monkeypatch)


@lru_cache(maxsize=4)  # each is a whole memory
def natively(program: equivalence.Program) -> dict[str, Any]:
    return equivalence.seen(boot_native(programs.guest(*program)).run(equivalence.BUDGET))


@pytest.mark.parametrize(
    ("variant", "broken"),
    [
        ("hvm-shadow, trace", shadows.writes_are_not_followed),
        ("bt", translators.MUTANTS["a fault finds the registers of the cache"]),
    ],
)
def test_a_broken_shadow_or_translator_is_found_by_a_small_program(
    variant: str, broken: Patch, monkeypatch: pytest.MonkeyPatch
) -> None:
    def differs(program: equivalence.Program) -> bool:
        run = equivalence.boot(variant, program).run(equivalence.BUDGET)
        return natively(program) != equivalence.seen(run)

    with monkeypatch.context() as context:
        broken(context)
        program = small(told(kernel_programs.program, differs))
    assert not differs(program)
