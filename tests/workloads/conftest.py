"""Workloads run natively, the words they leave in `result`, and the generator they draw from."""

from __future__ import annotations

import struct
from collections.abc import Callable

import pytest

import workloads
from hardware_model.boot import KERNEL_BASE
from hardware_model.machine import End, Machine
from techniques.guest import GuestImage
from techniques.native import Native

RESULT_WORDS = 64
MIB = 1 << 20


@pytest.fixture(scope="session")
def parameters() -> Callable[[str], dict[str, int]]:
    """The parameters of a workload's small size, by name."""
    return lambda name: workloads.find(name).named_parameters("small")


@pytest.fixture(scope="session")
def run_workload() -> Callable[..., list[int]]:
    """Runs a workload natively, with other parameters if given; returns its result words."""
    return _run


def _run(name: str, size: str = "small", **changed: int) -> list[int]:
    workload = workloads.find(name)
    values = workload.named_parameters(size) | changed
    image = workload.image()
    ram_bytes = workload.ram_mib * MIB
    guest_image = GuestImage(image.code, tuple(values.values()), image.symbols, ram_bytes)
    guest = Native(Machine(ram_bytes), guest_image, {})
    assert guest.run(budget=1_000_000_000) is End.EXITED
    assert guest.platform.exit_port.status == 0
    words = guest.memory.read(image.symbols["result"] - KERNEL_BASE, 8 * RESULT_WORDS)
    return list(struct.unpack(f"<{RESULT_WORDS}Q", words))


@pytest.fixture(scope="session")
def random_words() -> Callable[[int], list[int]]:
    """The first numbers of the guests' generator (Knuth's MMIX parameters), seeded with 1."""
    return _random_words


def _random_words(count: int) -> list[int]:
    number, numbers = 1, []
    for _ in range(count):
        number = (number * 6364136223846793005 + 1442695040888963407) % (1 << 64)
        numbers.append(number)
    return numbers
