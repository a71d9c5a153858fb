"""Which scale of a core a cost belongs to: what is slow on a core is slow in all costs of a scale."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from hardware_model.cost_table import KEYS
from hardware_model.instruction_classes import INSTRUCTION_CLASSES

Scale = Literal["plain code", "software", "memory", "microcode"]
SCALES: tuple[Scale, ...] = get_args(Scale)

_PLAIN = frozenset(f"insn.{c.name}" for c in INSTRUCTION_CLASSES if c.kind == "user")
_PREFIXES: tuple[tuple[Scale, tuple[str, ...]], ...] = (
    ("software", ("iommu.", "vmm.", "shadow.", "ept.", "bt.", "hypercall.", "pv.")),
    ("memory", ("tlb.", "walk.")),
)


def scale(key: str) -> Scale:
    """The scale of a cost: ordinary instructions, a VMM's paths, translation, or all else."""
    if key in _PLAIN:
        return "plain code"
    return next((name for name, prefixes in _PREFIXES if key.startswith(prefixes)), "microcode")


def positions() -> npt.NDArray[np.int64]:
    """For each cost of the cost table, the place of its scale in `SCALES`."""
    return np.array([SCALES.index(scale(key)) for key in KEYS], np.int64)
