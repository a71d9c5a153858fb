"""The code family's results against Python references."""

from __future__ import annotations

OVERLAPPED = 0x90C3C0FF
FIRST, SECOND = 3, 5


def test_self_modifying_code_returns_every_constant_written(run_workload, parameters):
    n = parameters("code/self-modifying")["iterations"]
    assert run_workload("code/self-modifying")[0] == n * (n + 1) // 2


def test_the_tiny_jit_runs_every_function_that_it_compiled(run_workload, parameters):
    n = parameters("code/tiny-jit")["iterations"]
    expected = sum((x + k) * k for k in range(1, n + 1) for x in (1, 2, 3))
    assert run_workload("code/tiny-jit")[:2] == [expected, n]


def test_overlapping_instructions_are_read_from_where_they_are_entered(run_workload, parameters):
    rounds = parameters("code/overlapping")["iterations"]
    assert run_workload("code/overlapping")[:2] == [OVERLAPPED + 2, rounds]


def test_a_remapped_page_runs_the_frame_that_is_mapped(run_workload, parameters):
    n = parameters("code/remapped-page")["iterations"]
    assert run_workload("code/remapped-page")[0] == n * (FIRST + SECOND) // 2
