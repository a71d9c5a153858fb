"""Knobs of binary translation."""

from __future__ import annotations

from techniques.binary_translation.layout import CACHE_BYTES
from techniques.knobs import Knob

CACHE_SIZE = Knob(
    "bt.cache-kib",
    CACHE_BYTES >> 10,
    (CACHE_BYTES >> 10, 4096, 1024, 256, 64, 16),
    "size of the translation cache",
    "smaller: everything is translated anew whenever the cache is full",
)

ADAPTIVE = Knob(
    "bt.adaptive",
    True,
    (True, False),
    "instructions that keep faulting become callouts",
    "off: every store to a page table and every access to a device register is a page fault",
)

FENCE = Knob(
    "bt.fence",
    "bounds",
    ("none", "bounds"),
    "what keeps the guest kernel's loads and stores out of the VMM's slot of linear addresses",
    "none: the kernel can load the VMM's tables and overwrite its own virtual processor's state, as nothing takes the "
    "place of 32-bit mode's segment limits; bounds: each unit checks each register that addresses memory",
)
