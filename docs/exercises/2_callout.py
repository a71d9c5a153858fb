"""Exercise 2: the guest's kernel executes LSL, which does not trap at CPL 1 and would look into the VMM's tables.

The translator puts a callout in its place; fill in what the callout does once the descriptor is found. LSL loads the
segment's limit in bytes, 32 bits wide, into its register and sets ZF; if the selector names nothing that the guest's
kernel may see, it clears ZF and loads nothing (SDM vol. 2, LSL).

You need: `found`, the descriptor as the guest has it (`found.limit`), or None; `put(vmm, instruction, value)`, which
stores to the destination; and `answer(vmm, instruction, zero=...)`, which sets ZF and lets the guest go on.
"""

from __future__ import annotations

from iced_x86 import Instruction

from techniques.deprivileged.segmentation import Descriptor
from techniques.deprivileged.vmm import DeprivilegingVmm


def load_limit(vmm: DeprivilegingVmm, instruction: Instruction, found: Descriptor | None) -> None:
    """The guest's kernel is at a LSL."""
    raise NotImplementedError("fill me in")
