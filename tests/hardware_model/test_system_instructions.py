"""The table of system instructions is complete, consistent and what the documentation shows."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from hardware_model import system_instructions as table
from hardware_model.instruction_classes import CLASS_INDEX, INSTRUCTION_CLASSES
from hardware_model.system_instructions import document
from hardware_model.system_instructions.row import SystemInstruction
from hardware_model.vmx import controls, exit_reasons

ROOT = Path(__file__).parents[2]
ROWS = table.SYSTEM_INSTRUCTIONS
EVERY_ROW = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.mnemonic)


def probe_slots() -> list[str]:
    """The names of the probe workload's slots, from its header."""
    text = (ROOT / "workloads/sensitive/probe.asm").read_text(encoding="utf-8")
    header = "\n".join(line[2:] for line in text.splitlines() if line.startswith("#:"))
    slots: list[str] = tomllib.loads(header)["slots"]
    return slots


def test_mnemonics_are_unique() -> None:
    assert len(table.BY_MNEMONIC) == len(ROWS)


@EVERY_ROW
def test_a_cost_key_is_an_instruction_class(row: SystemInstruction) -> None:
    assert row.cost_key in CLASS_INDEX


def test_every_system_class_has_a_row() -> None:
    keys = {row.cost_key for row in ROWS}
    assert {c.name for c in INSTRUCTION_CLASSES if c.kind == "system"} <= keys


@EVERY_ROW
def test_an_exit_has_a_control_and_a_reason(row: SystemInstruction) -> None:
    assert (row.exit == "never") == (row.exit_reason == "")
    assert not row.exit_reason or row.exit_reason in exit_reasons.BY_NAME
    for vector, bit in re.findall(r"(Primary|Secondary)\.(\w+)", row.exit):
        assert bit in getattr(controls, vector).__members__


@EVERY_ROW
def test_the_probes_of_a_row_agree_with_what_it_says(row: SystemInstruction) -> None:
    assert bool(row.differs) == (row.at_cpl1 == "differs")


@EVERY_ROW
def test_a_privileged_instruction_traps_below_cpl0(row: SystemInstruction) -> None:
    if row.privileged or row.iopl_sensitive:
        assert row.at_cpl1 == "traps"
    if row.privilege == "invalid":
        assert row.at_cpl1 == "invalid"


@EVERY_ROW
def test_only_a_sensitive_instruction_can_differ(row: SystemInstruction) -> None:
    assert row.sensitive or row.at_cpl1 != "differs"


def test_the_listed_instructions_say_how_they_apply_in_long_mode() -> None:
    assert all(bool(row.long_mode) == row.robin_irvine for row in ROWS)
    listed = {row.mnemonic for row in ROWS if row.robin_irvine}
    assert {"SGDT", "SIDT", "SLDT", "SMSW", "STR", "PUSHF", "POPF", "LAR", "LSL"} <= listed
    assert {"VERR", "VERW", "INT n", "CALL far", "JMP far", "RET far", "MOV sreg, r"} <= listed


def test_the_critical_instructions_are_those_of_the_theory() -> None:
    assert [row.mnemonic for row in table.critical()] == [
        "PUSHF",
        "POPF",
        "IRET",
        "SMSW",
        "SGDT",
        "SIDT",
        "SLDT",
        "STR",
        "LAR",
        "LSL",
        "VERR",
        "VERW",
        "MOV r, CS|SS",
        "MOV sreg, r",
        "POP FS|GS",
        "LSS, LFS, LGS",
        "CALL far",
        "JMP far",
        "RET far",
    ]


def test_the_probe_workload_covers_the_table_and_nothing_else() -> None:
    slots = probe_slots()
    assert len(set(slots)) == len(slots)
    assert set(slots) == table.divergent_probes() | table.equal_probes()
    assert not table.divergent_probes() & table.equal_probes()


def test_the_documentation_page_is_current() -> None:
    page = (ROOT / document.PATH).read_text(encoding="utf-8")
    assert page == document.page(), (
        f"{document.PATH} is stale: {document.COMMAND} > {document.PATH}"
    )
