"""One assembly unit: expanded, its sections laid out on pages of their own, encoded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from workloads import encoder
from workloads.errors import Place
from workloads.macros import Expander
from workloads.source import COMMON, Statement

PAGE = 4096
BREAKPOINT, DATA_PADDING = 0xCC, 0  # INT3: running off the end of the code is noticed at once
_NOWHERE = Place("<layout>", 0)


@dataclass(frozen=True, slots=True)
class Unit:
    """Encoded sections, page-aligned one after the other from `base`; `sizes` in whole pages' bytes."""

    code: bytes
    base: int
    sizes: dict[str, int]
    symbols: dict[str, int]


def assemble(
    statements: Sequence[Statement],
    sections: Sequence[str],
    base: int,
    constants: Mapping[str, int],
) -> Unit:
    """Assemble the statements of `sections` (in this order) at linear address `base`.

    Statements outside of any section define macros and constants. No two sections share a page, so
    that code is never on a page with data. Label `<section>_end` is put behind each section's last
    page. Raises AssemblyError.
    """
    expander = Expander(constants)
    chosen = [s for s in statements if s.section in (*sections, COMMON)]
    content: dict[str, list[Statement]] = {section: [] for section in sections}
    for statement in expander.expand(chosen):
        if statement.section == COMMON:
            raise statement.error(f"{statement.text!r} stands in no section (@kernel, @user, ...)")
        content[statement.section].append(statement)
    placed = [s for section, body in content.items() for s in _laid_out(section, body)]
    code, symbols = encoder.encode(placed, base)
    ends = [symbols[f"{section}_end"] for section in sections]
    starts = [base, *ends]
    sizes = {name: end - start for name, start, end in zip(sections, starts, ends, strict=False)}
    return Unit(code, base, sizes, symbols)


def _laid_out(section: str, body: list[Statement]) -> list[Statement]:
    padding = DATA_PADDING if section.endswith("_data") else BREAKPOINT
    trailer = [f".align {PAGE:#x}, {padding:#x}", f"{section}_end:"]
    return [*body, *(Statement(text, _NOWHERE, section) for text in trailer)]
