"""What porting the kernel to Xen's interface took: source lines, instructions and bytes that differ, by category.

The two kernels share most files. They differ in the pv-ops macros and in the files that the ported one replaces
(`image.XEN_REPLACES`), drivers among them: those of the native kernel's devices against Xen's front ends. Single lines
under `.ifdef PV` in shared files count as `start`, numbers and macros of the hypercall interface as `interface`. An
instruction belongs to the file that uses the macro it comes from.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from workloads import encoder
from workloads.image import (
    IMAGE_PHYSICAL,
    KERNEL_BASE,
    KERNEL_SOURCE,
    kernel_files,
    kernel_statements,
)
from workloads.macros import Expander
from workloads.source import COMMON, Statement

CATEGORIES = (
    "interface",
    "interrupts",
    "entry and return",
    "memory",
    "descriptors",
    "I/O",
    "start",
)
_FILES = {
    "paging.asm": "memory",
    "descriptors.asm": "descriptors",
    "uart.asm": "I/O",
    "xen_start.asm": "descriptors",
    "xen_paging.asm": "memory",
    "xen_roots.asm": "memory",
    "xen_hypercalls.asm": "memory",
    "xen_events.asm": "interrupts",
    "pci.asm": "I/O",
    "disk_controller.asm": "I/O",
    "network_card.asm": "I/O",
    "virtio.asm": "I/O",
    "virtio_disk.asm": "I/O",
    "virtio_network.asm": "I/O",
    "xen_grants.asm": "I/O",
    "xen_disk.asm": "I/O",
    "xen_network.asm": "I/O",
}
_MACROS = ("pv_ops.asm", "pv_ops_xen.asm")
_HEADINGS = {"descriptors and privileged state": "descriptors", "devices": "I/O"}
_CONSTANTS = {
    "USER_TEXT_BYTES": 0,
    "USER_DATA_BYTES": 0,
    "USER_MAIN": 0,
    "HAS_USER_PART": 1,
    "HAS_DEVICES": 1,
}


@dataclass(slots=True)
class Amount:
    """Source lines (without comments), instructions and bytes of code."""

    lines: int = 0
    instructions: int = 0
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class Ledger:
    """Per category what only the native and what only the ported kernel has; and what both share."""

    native: dict[str, Amount]
    ported: dict[str, Amount]
    shared_lines: int

    def rows(self) -> list[dict[str, int | str]]:
        """One row per category: lines, instructions and bytes that only one of the kernels has."""
        columns = ("lines", "instructions", "bytes")
        return [
            {"category": category}
            | {
                f"{name}_{column}": getattr(amounts.get(category, Amount()), column)
                for name, amounts in (("native", self.native), ("ported", self.ported))
                for column in columns
            }
            for category in CATEGORIES
        ]


def ledger() -> Ledger:
    """Count both kernels."""
    native, ported = _amounts(False), _amounts(True)
    changed = {*_FILES, *_MACROS}
    shared = [name for name in kernel_files(False, devices=True) if name not in changed]
    lines = sum(len(_code_lines(name)) for name in shared) - sum(
        len(_conditional(name)) for name in shared
    )
    return Ledger(native, ported, lines)


def _code_lines(name: str) -> list[str]:
    text = (KERNEL_SOURCE / name).read_text(encoding="utf-8")
    return [
        line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")
    ]


def _conditional(name: str) -> list[str]:
    """Lines of a shared file between `.ifdef PV` and `.endif`, those two included."""
    found: list[str] = []
    inside = False
    for line in _code_lines(name):
        inside = inside or line.split() == [".ifdef", "PV"]
        if inside:
            found.append(line)
        inside = inside and line.strip() != ".endif"
    return found


def _amounts(pv: bool) -> dict[str, Amount]:
    amounts: dict[str, Amount] = defaultdict(Amount)
    for name in kernel_files(pv, devices=True):
        if name in _MACROS:
            for category in _macro_categories(name).values():
                amounts[category].lines += 1
        elif name in _FILES:
            amounts[_FILES[name]].lines += len(_code_lines(name))
        elif pv:
            amounts["start"].lines += len(_conditional(name))
    for category, size in _code(pv):
        amounts[category].instructions += 1
        amounts[category].bytes += size
    return {category: amounts[category] for category in CATEGORIES if category in amounts}


def _macro_categories(name: str) -> dict[int, str]:
    """The category of each code line of a file of macros, by the heading above it."""
    categories: dict[int, str] = {}
    current = "interface"
    for number, line in enumerate(
        (KERNEL_SOURCE / name).read_text(encoding="utf-8").splitlines(), 1
    ):
        if line.startswith("# ---"):
            heading = line.strip("# -").split(":")[0]
            current = _HEADINGS.get(heading, heading)
        elif line.strip() and not line.lstrip().startswith("#"):
            categories[number] = current
    return categories


def _code(pv: bool) -> Iterable[tuple[str, int]]:
    """(category, bytes) of every instruction that the other kernel does not have."""
    macros = {name: _macro_categories(name) for name in _MACROS}
    placed: list[Statement] = []
    marked: list[tuple[str, int]] = []
    for statement in _expanded(pv):
        category = _category(statement, macros)
        if category and not statement.text.endswith(":") and not statement.word.startswith("."):
            number = len(marked)
            before, after = f"ledger_{number}:", f"ledger_end_{number}:"
            placed += [statement.with_text(before), statement, statement.with_text(after)]
            marked.append((category, number))
        else:
            placed.append(statement)
    _, symbols = encoder.encode(placed, KERNEL_BASE + IMAGE_PHYSICAL)
    for category, number in marked:
        yield category, symbols[f"ledger_end_{number}"] - symbols[f"ledger_{number}"]


def _expanded(pv: bool) -> list[Statement]:
    expander = Expander(_CONSTANTS | ({"PV": 1} if pv else {}))
    statements = [*expander.expand(kernel_statements(kernel_files(pv, devices=True)))]
    order = ("kernel", "kernel_data")
    ends = [Statement(f"{name}_end:", statements[0].place, name) for name in order]
    chosen = [s for s in (*statements, *ends) if s.section != COMMON]
    return sorted(chosen, key=lambda s: order.index(s.section))


def _category(statement: Statement, macros: dict[str, dict[int, str]]) -> str:
    user = statement.used_at or statement.place
    used_in = user.file.rpartition("/")[2]
    if used_in in _FILES:
        return _FILES[used_in]
    name = statement.place.file.rpartition("/")[2]
    return macros[name].get(statement.place.line, "") if name in macros else ""
