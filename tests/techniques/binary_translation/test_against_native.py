"""Random kernel programs and the suite's workloads end alike natively and translated."""

from __future__ import annotations

import pytest

from tests.techniques.binary_translation.conftest import differences
from tests.techniques.binary_translation.sequences import program

REGRESSIONS = (1, 10, 16, 72, 190, 247, 279, 331, 444)
"""Seeds whose programs once ended differently."""


@pytest.mark.parametrize("seed", [*REGRESSIONS, *range(1000, 1040)])
def test_a_random_kernel_program_ends_as_natively(seed: int) -> None:
    found = differences(program(seed))
    assert not found, f"seed {seed}: {found}"
