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
