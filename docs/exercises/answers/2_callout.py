"""Answer 2: LSL."""

from __future__ import annotations

from iced_x86 import Instruction

from techniques.binary_translation.emulation import _answer as answer
from techniques.binary_translation.emulation import _put as put
from techniques.deprivileged.segmentation import Descriptor
from techniques.deprivileged.vmm import DeprivilegingVmm


def load_limit(vmm: DeprivilegingVmm, instruction: Instruction, found: Descriptor | None) -> None:
    """The limit in bytes, if there is a segment to speak of."""
    if found is not None:
        put(vmm, instruction, found.limit & 0xFFFF_FFFF)
    answer(vmm, instruction, zero=found is not None)
