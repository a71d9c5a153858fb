"""Every instruction falls into the class that its effect names."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware_model.instruction_classes import CLASS_INDEX, INSTRUCTION_CLASSES, classify

CASES = {
    "48 89 c3": "alu",
    "48 8d 07": "alu",
    "48 0f af c3": "mul",
    "48 f7 f1": "div",
    "48 8b 07": "load",
    "48 03 07": "load",
    "48 89 07": "store",
    "48 01 07": "load_store",
    "f0 0f b1 0f": "locked",
    "48 87 07": "locked",
    "48 87 d8": "alu",
    "50": "push",
    "58": "pop",
    "c9": "pop",
    "74 00": "branch",
    "e2 fe": "branch",
    "eb 00": "jump",
    "e8 00 00 00 00": "call",
    "c3": "ret",
    "ff 20": "indirect_jump",
    "ff d0": "indirect_call",
    "f3 a4": "string",
    "48 ab": "string",
    "0f 28 07": "load",
    "0f 29 07": "store",
    "0f 58 07": "sse",
    "66 0f ef c0": "sse",
    "f2 0f 5e c1": "sse_div",
    "d9 c0": "fpu",
    "0f ae 07": "fpu_state",
    "0f 1f 84 00 01 00 90 7b": "nop",
    "90": "nop",
    "0f ae f0": "fence",
    "fa": "cli",
    "fb": "sti",
    "9c": "pushf",
    "9d": "popf",
    "48 cf": "iret",
    "0f 01 f8": "swapgs",
    "0f 05": "syscall",
    "48 0f 07": "sysret",
    "cd 80": "int_n",
    "cc": "int3",
    "f1": "int1",
    "e4 80": "in",
    "ee": "out",
    "f3 6c": "ins",
    "66 6f": "outs",
    "0f 31": "rdtsc",
    "0f 01 f9": "rdtscp",
    "0f a2": "cpuid",
    "0f 20 c0": "mov_from_cr",
    "0f 20 d8": "mov_from_cr",
    "44 0f 20 c0": "mov_from_cr8",
    "0f 22 c0": "mov_to_cr0",
    "0f 22 d8": "mov_to_cr3",
    "0f 22 e0": "mov_to_cr4",
    "44 0f 22 c0": "mov_to_cr8",
    "44 0f 22 e8": "invalid",
    "0f 21 c0": "mov_from_dr",
    "0f 23 c0": "mov_to_dr",
    "0f 01 38": "invlpg",
    "0f 01 10": "lgdt",
    "0f 01 18": "lidt",
    "0f 01 00": "sgdt",
    "0f 01 08": "sidt",
    "0f 00 c0": "sldt",
    "0f 00 c8": "str",
    "0f 01 e0": "smsw",
    "0f 02 c3": "lar",
    "0f 03 c3": "lsl",
    "0f 00 e0": "verr",
    "0f 00 e8": "verw",
    "8c c8": "mov_from_sreg",
    "8c 08": "mov_from_sreg",
    "8e d8": "mov_to_sreg",
    "0f a0": "push_sreg",
    "0f a1": "pop_sreg",
    "48 0f b2 39": "load_far_pointer",
    "48 ff 18": "far_call",
    "48 ff 28": "far_jump",
    "48 cb": "far_ret",
    "0f 32": "rdmsr",
    "0f 30": "wrmsr",
    "f4": "hlt",
    "0f 01 c1": "vmcall",
    "0f 01 d9": "vmcall",
    "0f 01 c2": "vmx",
    "0f 0b": "ud",
    "06": "invalid",
}


@pytest.mark.parametrize(("code", "name"), CASES.items(), ids=list(CASES))
def test_an_instruction_has_its_class(code: str, name: str) -> None:
    assert [INSTRUCTION_CLASSES[i].name for i in classify(bytes.fromhex(code))] == [name]


def test_a_control_register_move_is_never_remembered_for_another_register() -> None:
    both = bytes.fromhex("0f22d8 440f22c0 0f22d8")
    names = [INSTRUCTION_CLASSES[i].name for i in classify(both)]
    assert names == ["mov_to_cr3", "mov_to_cr8", "mov_to_cr3"]


def test_a_truncated_instruction_is_one_invalid_at_the_end() -> None:
    names = [INSTRUCTION_CLASSES[i].name for i in classify(bytes.fromhex("90 48 b8 00"))]
    assert names == ["nop", "invalid"]


def test_names_are_unique_and_indices_are_positions() -> None:
    assert [CLASS_INDEX[c.name] for c in INSTRUCTION_CLASSES] == list(range(len(CLASS_INDEX)))


@given(st.binary(max_size=64), st.integers(0, 2**64 - 1))
def test_any_bytes_are_classified(code: bytes, ip: int) -> None:
    found = classify(code, ip)
    assert len(found) <= len(code)
    assert all(0 <= index < len(INSTRUCTION_CLASSES) for index in found)
    assert CLASS_INDEX["invalid"] not in found[:-1]


def test_classifying_costs_microseconds_per_instruction() -> None:
    code = bytes.fromhex("488b07 4803c3 488907 7500") * 8
    classify(code)
    start = time.perf_counter()
    for _ in range(100):
        classify(code)
    assert (time.perf_counter() - start) / 3200 < 10e-6
