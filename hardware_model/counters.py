"""Every counter of the model, declared once: storing, printing and documenting derive from this table.

A counter is a fact: an unsigned 64-bit integer that does not depend on any cost (see `results` for costs).
Counters live in one numpy array, so that native code and Python code increment the same word.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from hardware_model.counter_groups import (
    BT,
    CPU,
    IO,
    MMU,
    PV,
    SHADOW,
    TRAP,
    VMM,
    VMX,
    Counter,
    group_of,
)
from hardware_model.instruction_classes import INSTRUCTION_CLASSES
from hardware_model.vectors import EXCEPTION_VECTORS
from hardware_model.vmx.exit_reasons import EXIT_REASONS
from hardware_model.vtd.counted import REMAPPING, REMAPPING_DRIVER

CounterArray = npt.NDArray[np.uint64]


COUNTERS: tuple[Counter, ...] = (
    *CPU,
    *(
        Counter(f"insn.{c.name}", "instructions", "insn", f"{c.doc}, executed by the engine")
        for c in INSTRUCTION_CLASSES
    ),
    *(
        Counter(
            f"exception.{v.mnemonic}",
            "events",
            "cpu",
            f"{v.name} delivered through the guest's own IDT",
        )
        for v in EXCEPTION_VECTORS
    ),
    *MMU,
    *VMX,
    *(
        Counter(
            f"exit.{r.name}", "events", "vmx", f"VM exits with basic reason {r.number}: {r.doc}"
        )
        for r in EXIT_REASONS
    ),
    *TRAP,
    *(
        Counter(
            f"trap.{v.mnemonic}",
            "events",
            "trap",
            f"{v.name} of a deprivileged guest taken by the VMM",
        )
        for v in EXCEPTION_VECTORS
    ),
    *SHADOW,
    *VMM,
    *IO,
    *BT,
    *PV,
    *group_of("vtd", "events", REMAPPING),
    *group_of("iommu", "events", REMAPPING_DRIVER),
)

_INDEX = {counter.name: position for position, counter in enumerate(COUNTERS)}


def index(name: str) -> int:
    """The position of counter `name` in a counter array; KeyError names an undeclared counter."""
    try:
        return _INDEX[name]
    except KeyError:
        raise KeyError(f"counter {name!r} is not declared in hardware_model/counters.py") from None


def new() -> CounterArray:
    """A zeroed counter array, one uint64 word for each declared counter."""
    return np.zeros(len(COUNTERS), np.uint64)


def as_dict(values: CounterArray, names: Iterable[str] | None = None) -> dict[str, int]:
    """Counter values by name: all non-zero ones, or those of `names`."""
    if names is not None:
        return {name: int(values[index(name)]) for name in names}
    return {c.name: int(v) for c, v in zip(COUNTERS, values, strict=True) if v}
