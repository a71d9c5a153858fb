"""The sensitive family: what the probe sees natively, and that its table says what it tests."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

import workloads
from hardware_model import system_instructions

PROBE = Path(workloads.__file__).parent / "sensitive" / "probe.asm"
GENERAL_PROTECTION = 0xFA17_000D_0000_0000
CODE, DATA = 0x08, 0x10


@pytest.fixture(scope="module")
def source() -> str:
    return PROBE.read_text()


@pytest.fixture(scope="module")
def slots(source) -> list[str]:
    header = "\n".join(line[2:] for line in source.splitlines() if line.startswith("#:"))
    return tomllib.loads(header)["slots"]


@pytest.fixture(scope="module")
def seen(run_workload, slots) -> dict[str, int]:
    return dict(zip(slots, run_workload("sensitive/probe"), strict=False))


def test_slots_name_the_routines_in_their_order(source, slots):
    table = source.split("\nprobe_routines:")[1].split("\nprobe_scratch:")[0]
    routines = re.findall(r"probe_(\w+)", table)
    assert routines == [slot.replace("-", "_") for slot in slots]
    assert int(re.search(r"\.set SLOTS, (\d+)", source)[1]) == len(slots) <= 64


def test_slots_are_those_the_system_instructions_declare(slots):
    declared = system_instructions.divergent_probes() | system_instructions.equal_probes()
    assert set(slots) == declared


@pytest.mark.parametrize(
    ("slot", "value"),
    [
        ("cli", 0),
        ("sti", 0x200),
        ("iret", 0x200),
        ("pushf", 0),
        ("popf", 0x200 << 32),
        ("mov-to-cr2", 0x123456789000),
        ("mov-from-cr8", 0),
        ("mov-to-cr8", 3),
        ("mov-to-dr", 0x5000),
        ("mov-from-dr", 0x400_FFFF0FF0),
        ("ltr", 0x8B),
        ("in", 0x60),
        ("out", 0x5A),
        ("rdtsc", 1),
        ("swapgs", 0x11235000),
        ("wrmsr", 0x13572468),
        ("sldt", 0x18),
        ("str", 0x28),
        ("lar", 0xC09200),
        ("lsl", 0xFFFFFFFF),
        ("verr", 1),
        ("verw", 1),
        ("mov-from-cs", CODE),
        ("mov-from-ss", DATA),
        ("push-fs", DATA),
        ("call-far", CODE),
        ("int-dpl0", CODE),
        ("int-dpl3", CODE),
        ("int3", CODE),
    ],
)
def test_probe_sees_natively_what_the_manual_says(seen, slot, value):
    assert seen[slot] == value


@pytest.mark.parametrize("slot", ["lgdt", "lidt", "lldt", "invlpg", "invd", "wbinvd"])
def test_probe_executes_what_shows_nothing(seen, slot):
    assert seen[slot] == 1


@pytest.mark.parametrize("slot", ["mov-to-ss", "mov-to-ds", "pop-fs", "lfs"])
def test_a_kernel_at_cpl0_may_not_load_its_data_segment_with_rpl_1(seen, slot):
    assert seen[slot] == GENERAL_PROTECTION | DATA


@pytest.mark.parametrize("slot", ["jmp-far", "ret-far", "iret-rpl1"])
def test_a_kernel_at_cpl0_may_not_enter_its_code_segment_with_rpl_1(seen, slot):
    assert seen[slot] == GENERAL_PROTECTION | CODE


def test_control_register_slots_agree_with_each_other(seen):
    ts, tsd = 0x8, 0x4
    assert seen["mov-to-cr0"] == seen["lmsw"] == seen["mov-from-cr0"] | ts
    assert seen["clts"] == seen["mov-from-cr0"]
    assert seen["mov-to-cr3"] == seen["mov-from-cr3"]
    assert seen["mov-to-cr4"] == seen["mov-from-cr4"] | tsd
    assert seen["smsw"] == seen["mov-from-cr0"] & 0xFFDF | ts


def test_flags_show_interrupts_off_inside_critical_sections_and_on_outside(
    run_workload, parameters
):
    sections = parameters("sensitive/flags")["sections"]
    assert run_workload("sensitive/flags")[:4] == [sections, 0, 0, sections]
