"""Deterministic data: SplitMix64 (Steele, Lea, Flood, Fast Splittable Pseudorandom Number Generators, 2014).

Output n can be had without the ones before it, so that any sector or frame can be made by itself.
"""

from __future__ import annotations

import struct

_MASK = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15


def split_mix(value: int) -> int:
    """The output function of SplitMix64."""
    value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9 & _MASK
    value = (value ^ value >> 27) * 0x94D049BB133111EB & _MASK
    return value ^ value >> 31


def words(seed: int, first: int, count: int) -> bytes:
    """Outputs `first` to `first + count - 1` of SplitMix64 started at `seed`, 8 bytes each."""
    values = [split_mix(seed + (first + n + 1) * _GOLDEN & _MASK) for n in range(count)]
    return struct.pack(f"<{count}Q", *values)
