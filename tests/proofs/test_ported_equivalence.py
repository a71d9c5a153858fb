"""Random programs on the guest kernel end alike natively and para-virtualized; those that once did not are kept."""

from __future__ import annotations

from random import Random

import pytest

from tests.proofs import random_programs
from tests.proofs.figures import counted
from tests.proofs.ported_equivalence import OTHERS, VARIANTS, differences
from tests.proofs.ported_programs import KERNEL, USER, Program
from tests.proofs.random_programs import statements

REGRESSIONS: dict[str, Program] = {
    "a pipe's descriptors are stored to a page that is shared with the image": (
        (),
        (("user_call", 1, 0, 0),),
        0,
        False,
    ),
}
KERNEL_KINDS = (*KERNEL, *["fuzz_access"] * 4, *["fuzz_edit"] * 2)
USER_KINDS = (*USER, *["user_access"] * 4)


def program(chance: Random) -> Program:
    """A random program."""
    kernel, user = statements(chance, KERNEL_KINDS, 30), statements(chance, USER_KINDS, 30)
    return kernel, user, chance.randrange(20_000), chance.random() < 0.5


def differs(program: Program, others: bool = False) -> dict[str, dict[str, object]]:
    """As `differences`, and counts what is tried."""
    variants = VARIANTS | (OTHERS if others else {})
    counted("technique equivalence, ported kernel: programs x techniques", len(variants))
    return differences(program, variants)


@pytest.mark.parametrize("name", sorted(REGRESSIONS))
def test_a_program_that_once_differed(name: str) -> None:
    assert differs(REGRESSIONS[name], others=True) == {}


def test_random_programs_end_as_natively() -> None:
    random_programs.check(range(30), program, differs)


@pytest.mark.soak
@pytest.mark.parametrize("first", range(1000, 3000, 20))
def test_thousands_of_random_programs_end_as_natively(first: int) -> None:
    random_programs.check(range(first, first + 20), program, lambda p: differs(p, others=True))
