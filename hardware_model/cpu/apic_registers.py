"""Which local-APIC registers the virtual-APIC page serves (SDM vol. 3C 29.4.2, 29.4.3), by their offsets."""

from __future__ import annotations

from hardware_model.devices.local_apic import (
    DFR,
    DIVIDE,
    EOI,
    ESR,
    ICR_HIGH,
    ICR_LOW,
    ID,
    INITIAL_COUNT,
    IRR,
    ISR,
    LDR,
    LVT_ERROR,
    LVT_TIMER,
    SVR,
    TMR,
    TPR,
    VERSION,
)

__all__ = ["EOI", "ICR_HIGH", "ICR_LOW", "READABLE", "TPR", "WRITABLE", "self_ipi"]

_LVT = range(LVT_TIMER, LVT_ERROR + 1, 16)
_VECTORS = tuple(first + 16 * n for first in (ISR, TMR, IRR) for n in range(8))
_BOTH = (ID, TPR, EOI, LDR, DFR, SVR, ESR, ICR_LOW, ICR_HIGH, *_LVT, INITIAL_COUNT, DIVIDE)
READABLE = frozenset((*_BOTH, VERSION, *_VECTORS))
"""Under APIC-register virtualization, loads from these need no exit."""
WRITABLE = frozenset(_BOTH)
"""And stores to these go to the page; most exit afterwards."""

_MUST_BE_ZERO = 0xFFF << 20 | 3 << 16 | 1 << 15 | 1 << 13 | 1 << 12 | 7 << 8
_SHORTHAND, _SELF = 3 << 18, 1 << 18


def self_ipi(command: int) -> bool:
    """Whether an interrupt command is an edge-triggered fixed one to the processor itself, of a legal vector."""
    return not command & _MUST_BE_ZERO and command & _SHORTHAND == _SELF and bool(command & 0xF0)
