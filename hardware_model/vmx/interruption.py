"""Events in VMX: the interruption-information format and the guest's non-register state.

Interruption information (SDM vol. 3C 24.8.3, 24.9.2, 24.9.3; tables 24-13, 24-15, 24-16):

    31     30            13 12 11 10    8 7        0
    +-----+----------------+--+--+-------+----------+
    |valid|       0        |NU|EC| type  |  vector  |
    +-----+----------------+--+--+-------+----------+

EC: an error code is delivered (entry) or was (exit). NU: NMI unblocking due to IRET (exit only).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, IntFlag
from typing import Final

INTERRUPTION_VALID: Final = 1 << 31
INTERRUPTION_NMI_UNBLOCKING: Final = 1 << 12
INTERRUPTION_ERROR_CODE: Final = 1 << 11

ERROR_CODE_VECTORS: Final = frozenset({8, 10, 11, 12, 13, 14, 17})
"""Vectors of the exceptions that push an error code (SDM vol. 3A table 6-1)."""


class InterruptionType(IntEnum):
    """Bits 10:8 of interruption information."""

    EXTERNAL_INTERRUPT = 0
    RESERVED = 1
    NMI = 2
    HARDWARE_EXCEPTION = 3
    SOFTWARE_INTERRUPT = 4
    PRIVILEGED_SOFTWARE_EXCEPTION = 5
    SOFTWARE_EXCEPTION = 6
    OTHER_EVENT = 7

    @property
    def is_software(self) -> bool:
        """Whether the event is an instruction, so that injection needs the instruction length."""
        return InterruptionType.SOFTWARE_INTERRUPT <= self <= InterruptionType.SOFTWARE_EXCEPTION


@dataclass(frozen=True, slots=True)
class Interruption:
    """Interruption information: an event to inject, or one that exited or was being delivered."""

    vector: int
    type: InterruptionType
    error_code_valid: bool = False
    valid: bool = True
    nmi_unblocking: bool = False

    def encode(self) -> int:
        """The 32-bit interruption-information field."""
        return (
            self.vector
            | self.type << 8
            | (INTERRUPTION_ERROR_CODE if self.error_code_valid else 0)
            | (INTERRUPTION_NMI_UNBLOCKING if self.nmi_unblocking else 0)
            | (INTERRUPTION_VALID if self.valid else 0)
        )

    @classmethod
    def decode(cls, value: int) -> Interruption:
        """The record of a 32-bit interruption-information field; reserved bits are ignored."""
        return cls(
            vector=value & 0xFF,
            type=InterruptionType(value >> 8 & 7),
            error_code_valid=bool(value & INTERRUPTION_ERROR_CODE),
            valid=bool(value & INTERRUPTION_VALID),
            nmi_unblocking=bool(value & INTERRUPTION_NMI_UNBLOCKING),
        )


def external_interrupt(vector: int) -> Interruption:
    """An external interrupt with `vector`."""
    return Interruption(vector, InterruptionType.EXTERNAL_INTERRUPT)


def hardware_exception(vector: int) -> Interruption:
    """A hardware exception with `vector`, with an error code if that exception has one."""
    return Interruption(
        vector, InterruptionType.HARDWARE_EXCEPTION, error_code_valid=vector in ERROR_CODE_VECTORS
    )


class ActivityState(IntEnum):
    """The guest's activity state (SDM vol. 3C 24.4.2)."""

    ACTIVE = 0
    HLT = 1
    SHUTDOWN = 2
    WAIT_FOR_SIPI = 3


class Interruptibility(IntFlag):
    """The guest's interruptibility state (SDM vol. 3C 24.4.2, table 24-3)."""

    BLOCKING_BY_STI = 1 << 0
    BLOCKING_BY_MOV_SS = 1 << 1
    BLOCKING_BY_SMI = 1 << 2
    BLOCKING_BY_NMI = 1 << 3
    ENCLAVE_INTERRUPTION = 1 << 4


class PendingDebug(IntFlag):
    """Pending debug exceptions (SDM vol. 3C 24.4.2, table 24-4)."""

    B0 = 1 << 0
    B1 = 1 << 1
    B2 = 1 << 2
    B3 = 1 << 3
    ENABLED_BREAKPOINT = 1 << 12
    BS = 1 << 14
    RTM = 1 << 16
