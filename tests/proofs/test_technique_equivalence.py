"""Random guest programs end alike under every technique; those that once did not are kept."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from tests.proofs import random_programs
from tests.proofs.equivalence import VARIANTS, Program, differences
from tests.proofs.figures import counted
from tests.proofs.programs import KERNEL, USER
from tests.proofs.random_programs import statements

KERNEL_KINDS = (*KERNEL, *["access"] * 3, *["edit"] * 2)
USER_KINDS = (*USER, *["access"] * 3)

REGRESSIONS: dict[str, Program] = {
    "IRET with NT set faults": ((("mix", 60126, 26330, 63712),), (("loop", 0, 0, 0),), 27534),
    "a locked increment of a read-only page": (
        (("edit", 17534, 46254, 15332),),
        (("access", 37606, 48971, 7117),),
        55514,
    ),
}


def program(chance: Random) -> Program:
    """A random program."""
    kernel, user = statements(chance, KERNEL_KINDS, 25), statements(chance, USER_KINDS, 25)
    return kernel, user, chance.randrange(0x10000)


def differs(program: Program) -> dict[str, dict[str, Any]]:
    """As `differences`, and counts what is tried."""
    counted("technique equivalence: programs x techniques", len(VARIANTS))
    return differences(program)


@pytest.mark.parametrize("name", sorted(REGRESSIONS))
def test_a_program_that_once_differed(name: str) -> None:
    assert differs(REGRESSIONS[name]) == {}


def test_random_programs_end_as_natively() -> None:
    random_programs.check(range(12), program, differs)


@pytest.mark.soak
@pytest.mark.parametrize("first", range(1000, 2500, 30))
def test_thousands_of_random_programs_end_as_natively(first: int) -> None:
    random_programs.check(range(first, first + 30), program, differs)
