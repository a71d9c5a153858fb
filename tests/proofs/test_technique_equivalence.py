"""Random guest programs end alike under every technique; those that once did not are kept."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.proofs.equivalence import VARIANTS, Program, differences
from tests.proofs.figures import counted
from tests.proofs.programs import KERNEL, USER

REGRESSIONS: dict[str, Program] = {
    "IRET with NT set faults": ((("mix", 60126, 26330, 63712),), (("loop", 0, 0, 0),), 27534),
    "a locked increment of a read-only page": (
        (("edit", 17534, 46254, 15332),),
        (("access", 37606, 48971, 7117),),
        55514,
    ),
}
numbers = st.integers(0, 0xFFFF)


def statements(kinds: dict[str, object], most: int) -> st.SearchStrategy[tuple[object, ...]]:
    """Up to `most` statements."""
    one = st.tuples(st.sampled_from(sorted(kinds)), numbers, numbers, numbers)
    return st.lists(one, max_size=most).map(tuple)


programs = st.tuples(statements(KERNEL, 25), statements(USER, 25), numbers)
quiet = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]


def check(program: Program) -> None:
    counted("technique equivalence: programs x techniques", len(VARIANTS))
    assert differences(program) == {}


@pytest.mark.parametrize("name", sorted(REGRESSIONS))
def test_a_program_that_once_differed(name: str) -> None:
    check(REGRESSIONS[name])


@settings(max_examples=10, deadline=None, derandomize=True, suppress_health_check=quiet)
@given(programs)
def test_a_random_program_ends_as_natively(program: Program) -> None:
    check(program)


@pytest.mark.soak
@settings(max_examples=1500, deadline=None, suppress_health_check=quiet)
@given(programs)
def test_thousands_of_random_programs_end_as_natively(program: Program) -> None:
    check(program)
