"""The compute family's results against Python references."""

from __future__ import annotations

import hashlib
import struct

import pytest

WORD = 0xFFFFFFFFFFFFFFFF
MILLION_A = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"  # FIPS 180-4 example


def test_recursive_calls_return_the_fibonacci_number_and_count_the_calls(run_workload, parameters):
    fibonacci = [0, 1]
    while len(fibonacci) <= parameters("compute/recursive-calls")["n"] + 1:
        fibonacci.append(fibonacci[-1] + fibonacci[-2])
    *_, number, following = fibonacci
    assert run_workload("compute/recursive-calls")[:2] == [number, 2 * following - 1]


def test_sieve_finds_every_prime(run_workload, parameters):
    limit = parameters("compute/sieve")["limit"]
    primes = [n for n in range(2, limit + 1) if all(n % d for d in range(2, int(n**0.5) + 1))]
    assert run_workload("compute/sieve")[:2] == [len(primes), primes[-1]]


def test_string_copy_leaves_the_original_words(run_workload, parameters, random_words):
    checksum = 0
    for word in random_words(parameters("compute/string-copy")["bytes"] // 8):
        checksum = (checksum * 31 + word) & WORD
    assert run_workload("compute/string-copy")[0] == checksum


def test_quicksort_sorts(run_workload, parameters, random_words):
    ordered = sorted(random_words(parameters("compute/quicksort")["elements"]))
    weighted = sum(rank * value for rank, value in enumerate(ordered, 1)) & WORD
    assert run_workload("compute/quicksort")[:2] == [weighted, 0]


@pytest.mark.parametrize("name", ["compute/matrix-product", "compute/matrix-product@double"])
def test_matrix_product_is_the_product_of_the_matrices(run_workload, parameters, name):
    rows = range(parameters(name)["order"])
    a = [[(3 * i + 5 * k) % 16 for k in rows] for i in rows]
    b = [[(7 * k + j) % 16 for j in rows] for k in rows]
    c = [sum(a[i][k] * b[k][j] for k in rows) for i in rows for j in rows]
    assert run_workload(name)[0] == sum(weight * element for weight, element in enumerate(c, 1))


@pytest.mark.parametrize("length", [0, 55, 56, 63, 64, 1000])
def test_sha_256_pads_messages_of_every_length(run_workload, length):
    assert _digest(run_workload("compute/sha-256", length=length)) == _sha256(length)


def test_sha_256_hashes_the_declared_message(run_workload, parameters):
    assert _digest(run_workload("compute/sha-256")) == _sha256(
        parameters("compute/sha-256")["length"]
    )


@pytest.mark.slow
def test_sha_256_of_a_million_times_a_is_the_published_digest(run_workload):
    assert _digest(run_workload("compute/sha-256", size="large")) == MILLION_A


def _digest(results: list[int]) -> str:
    return struct.pack(">8I", *results[:8]).hex()


def _sha256(length: int) -> str:
    return hashlib.sha256(b"a" * length).hexdigest()
