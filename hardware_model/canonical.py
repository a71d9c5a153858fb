"""Canonical linear addresses (Intel SDM vol. 1 section 3.3.7.1)."""

from __future__ import annotations

LINEAR_ADDRESS_BITS = 48


def is_canonical(address: int) -> bool:
    """Whether bits 63:47 of the 64-bit `address` are all equal."""
    return address >> (LINEAR_ADDRESS_BITS - 1) in (0, 0x1FFFF)
