"""Exception vectors of the processor (Intel SDM vol. 3A, table 6-1)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Vector:
    """One exception: vector `number`, lower-case SDM `mnemonic`, `name`, and whether it pushes an error code."""

    number: int
    mnemonic: str
    name: str
    error_code: bool


EXCEPTION_VECTORS: tuple[Vector, ...] = (
    Vector(0, "de", "divide error", False),
    Vector(1, "db", "debug exception", False),
    Vector(2, "nmi", "non-maskable interrupt", False),
    Vector(3, "bp", "breakpoint", False),
    Vector(4, "of", "overflow", False),
    Vector(5, "br", "BOUND range exceeded", False),
    Vector(6, "ud", "invalid opcode", False),
    Vector(7, "nm", "device not available", False),
    Vector(8, "df", "double fault", True),
    Vector(10, "ts", "invalid TSS", True),
    Vector(11, "np", "segment not present", True),
    Vector(12, "ss", "stack-segment fault", True),
    Vector(13, "gp", "general protection", True),
    Vector(14, "pf", "page fault", True),
    Vector(16, "mf", "x87 floating-point error", False),
    Vector(17, "ac", "alignment check", True),
    Vector(18, "mc", "machine check", False),
    Vector(19, "xm", "SIMD floating-point exception", False),
)

NUMBER = {vector.mnemonic: vector.number for vector in EXCEPTION_VECTORS}
HAS_ERROR_CODE = frozenset(vector.number for vector in EXCEPTION_VECTORS if vector.error_code)
