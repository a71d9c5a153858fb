"""Which workloads a ported kernel can run: not those whose purpose is to execute what porting has removed.

A workload's own kernel part that changes native descriptor tables, uses ports or reads the APIC does so by design: a
PV guest has none of these. What it does under `.ifdef PV` instead, or through the pv-ops macros, is the ported way. Xen
also gives its guests 4 KiB pages only, and keeps the memory types to itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

from hardware_model.system_instructions import SYSTEM_INSTRUCTIONS
from workloads import source
from workloads.source import Statement

_NAMES = {
    "gdt_pointer": "changes the native descriptor table",
    "GATE_INTERRUPT_USER": "changes the native interrupt table",
    "pv_apic_read": "reads the local APIC's registers",
}
_ALSO_REFUSED = {"iretq": "IRET", "pushfq": "PUSHF", "vmcall": "VMCALL"}
_REGISTER = re.compile(r"\b([cd]r[0-8])\b")
_MMAP_LARGE = 4  # workloads/kernel_source/abi.asm
_IA32_PAT = 0x277
_DEAD_PORT = re.compile(r"in\s+al\s*,\s*0x80\Z")  # Xen completes it: no such port answers either


@cache
def _refused() -> dict[str, str]:
    """Privileged instructions by the words that assembly has for them."""
    rows = [row.mnemonic for row in SYSTEM_INSTRUCTIONS if row.privileged or row.iopl_sensitive]
    single = {name.lower(): name for row in rows for name in row.split(", ") if " " not in name}
    return single | _ALSO_REFUSED


def why_not_portable(path: Path, parameters: Mapping[str, int]) -> str:
    """A sentence why the workload with these parameters makes no sense for a ported guest; empty if it does."""
    if parameters.get("mmap_flags", 0) & _MMAP_LARGE:
        return "it asks for 2 MiB pages, which Xen does not give to PV guests"
    if parameters.get("register") == _IA32_PAT:
        return "it is about IA32_PAT, which is Xen's and not the guest's (rdmsr@fs-base runs)"
    return _kernel_part_problem(path)


@cache
def _kernel_part_problem(path: Path) -> str:
    for statement in _ported(source.read(path)):
        if statement.section.startswith("kernel") and (problem := _problem(statement)):
            return f"its kernel part {problem} (line {statement.place.line}), which porting removes"
    return ""


def _ported(statements: list[Statement]) -> Iterator[Statement]:
    """The statements that the ported image has: those not of the other branch of `.ifdef PV`."""
    branches: list[
        bool | None
    ] = []  # of each open condition: taken, or None if it is about something else
    for statement in statements:
        match statement.word:
            case ".ifdef" | ".ifndef" if statement.rest == "PV":
                branches.append(statement.word == ".ifdef")
            case ".if" | ".ifdef" | ".ifndef":
                branches.append(None)
            case ".else":
                taken = branches.pop()
                branches.append(None if taken is None else not taken)
            case ".endif":
                branches.pop()
            case _ if False not in branches:
                yield statement


def _problem(statement: Statement) -> str:
    if _DEAD_PORT.match(statement.text):
        return ""
    name = _refused().get(statement.word)
    if name:
        return f"executes {name}"
    if statement.word == "mov" and (match := _REGISTER.search(statement.rest)):
        return f"executes MOV with {match[1].upper()}"
    return next((doc for word, doc in _NAMES.items() if word in statement.text), "")
