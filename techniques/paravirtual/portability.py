"""Which workloads a ported kernel can run: not those whose purpose is to execute what porting has removed.

A workload's own kernel part that executes a privileged instruction, changes descriptor tables or
reads the APIC does so by design: with hypercalls in their place it would be another workload. Xen
also gives its guests 4 KiB pages only.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
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
    return _kernel_part_problem(path)


@cache
def _kernel_part_problem(path: Path) -> str:
    for statement in source.read(path):
        if statement.section.startswith("kernel") and (problem := _problem(statement)):
            return f"its kernel part {problem} (line {statement.place.line}), which porting removes"
    return ""


def _problem(statement: Statement) -> str:
    name = _refused().get(statement.word)
    if name:
        return f"executes {name}"
    if statement.word == "mov" and (match := _REGISTER.search(statement.rest)):
        return f"executes MOV with {match[1].upper()}"
    return next((doc for word, doc in _NAMES.items() if word in statement.text), "")
