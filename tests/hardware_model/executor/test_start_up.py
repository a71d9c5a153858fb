"""What start-up finds out about the engine, and that it refuses what it does not know (executor: calibration)."""

from __future__ import annotations

import ctypes
import random

import pytest
import unicorn

from hardware_model.executor import build, self_test
from hardware_model.executor import layout as L
from hardware_model.executor.build import UnsupportedEngine
from hardware_model.executor.calibration import find_cpu

REFUSED = "CPU state is not where version 2.1.4 keeps it"
ENGINE_STRUCT_BYTES = 0x400
NEAR_THE_CPU = (0x3FF8, 0x4320, 0x4560, 0x5210, 0x7378)
"""Distances below the CPU at which other objects of the engine were found whose surroundings hold the registers too."""


def new_engine() -> tuple[unicorn.Uc, int]:
    """An engine and the address of its structure; the CPU is made when it is first needed."""
    engine = unicorn.Uc(unicorn.UC_ARCH_X86, unicorn.UC_MODE_64)
    engine.reg_write(unicorn.x86_const.UC_X86_REG_RAX, 0)
    handle = engine._uch.value
    assert handle is not None
    return engine, handle


def word(address: int) -> ctypes.c_uint64:
    return ctypes.c_uint64.from_address(address)


def test_the_cpu_is_found_wherever_the_heap_puts_it() -> None:
    """A stack pointer written through the engine's interface is read back at the place found."""
    chance, clutter, engines = random.Random(1), [], []
    for number in range(40):
        clutter += [bytearray(chance.randrange(0x8000)) for _ in range(chance.randrange(20))]
        chance.shuffle(clutter)
        del clutter[: chance.randrange(len(clutter) + 1)]
        engine, handle = new_engine()
        cpu = find_cpu(engine, handle)
        engine.reg_write(unicorn.x86_const.UC_X86_REG_RSP, 0x1234_0000 + number)
        engines.append((engine, cpu))
    rsp = [word(cpu + L.ENV + L.ENV_GPR + 8 * 4).value for _, cpu in engines]
    assert rsp == [0x1234_0000 + number for number in range(40)]


def structure_of_another(handle: int, cpu: int) -> ctypes.Array[ctypes.c_uint8]:
    """A copy of an engine's structure that names another CPU."""
    kind = ctypes.c_uint8 * ENGINE_STRUCT_BYTES
    other = kind.from_buffer_copy(kind.from_address(handle))
    word(ctypes.addressof(other) + L.UC_CPU).value = cpu
    return other


@pytest.mark.parametrize("below", NEAR_THE_CPU)
def test_an_object_near_the_cpu_is_not_taken_for_it(below: int) -> None:
    """Its 64 KiB hold the planted registers, but the back-pointers do not lead to it."""
    engine, handle = new_engine()
    other = structure_of_another(handle, word(handle + L.UC_CPU).value - below)
    with pytest.raises(UnsupportedEngine, match=REFUSED):
        find_cpu(engine, ctypes.addressof(other))


@pytest.mark.parametrize("back_pointer", [L.CPU_ENV_PTR, L.CPU_UC, L.ENV + L.ENV_UC])
def test_each_back_pointer_counts(back_pointer: int) -> None:
    engine, handle = new_engine()
    cpu = word(handle + L.UC_CPU).value
    kind = ctypes.c_uint8 * (L.ENV + 0x2000)
    copied = kind.from_buffer_copy(kind.from_address(cpu))
    place = ctypes.addressof(copied)
    other = structure_of_another(handle, place)
    at = ctypes.addressof(other)
    pointers = {L.CPU_ENV_PTR: place + L.ENV, L.CPU_UC: at, L.ENV + L.ENV_UC: at}
    for offset, value in pointers.items():
        word(place + offset).value = value
    assert find_cpu(_Copying(engine, place, cpu), at) == place
    word(place + back_pointer).value += 8
    with pytest.raises(UnsupportedEngine, match=REFUSED):
        find_cpu(_Copying(engine, place, cpu), at)


class _Copying:
    """An engine whose registers are copied to a second CPU object each time that they are written."""

    def __init__(self, engine: unicorn.Uc, copy: int, cpu: int) -> None:
        self._engine, self._copy, self._cpu = engine, copy, cpu

    def reg_write(self, register: int, value: int) -> None:
        self._engine.reg_write(register, value)
        ctypes.memmove(self._copy + L.ENV, self._cpu + L.ENV, 128)


def test_registers_that_do_not_hold_what_was_planted_are_refused() -> None:
    _, handle = new_engine()
    other, _ = new_engine()
    with pytest.raises(UnsupportedEngine, match=REFUSED):
        find_cpu(other, handle)


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (("2.1.3", "Linux", "x86_64"), "found unicorn 2.1.3 on Linux x86_64"),
        (("2.1.4", "Darwin", "x86_64"), "found unicorn 2.1.4 on Darwin x86_64"),
        (("2.1.4", "Linux", "aarch64"), "found unicorn 2.1.4 on Linux aarch64"),
        (("not installed", "Linux", "x86_64"), "found unicorn not installed on Linux x86_64"),
    ],
)
def test_another_build_is_refused_with_what_was_found_and_what_is_needed(
    found: tuple[str, str, str], said: str
) -> None:
    with pytest.raises(UnsupportedEngine) as caught:
        build.check(*found)
    assert str(caught.value) == f"trapbench needs unicorn 2.1.4 on Linux x86_64, {said}"


def test_the_build_that_is_installed_passes_the_self_test() -> None:
    self_test.check.__wrapped__()


def test_a_build_that_behaves_differently_is_refused_with_the_first_difference(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Different(self_test._Probe):
        def run(self) -> None:
            super().run()
            self.engine.registers.gpr[3] = 0  # what the handler took for the error code

    monkeypatch.setattr(self_test, "_Probe", Different)
    with pytest.raises(
        UnsupportedEngine, match=r"does not behave as expected: error code of #GP is 0, not 23128"
    ):
        self_test.check.__wrapped__()
