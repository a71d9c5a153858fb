"""Exit qualifications as typed records (SDM vol. 3C 27.2.1).

The qualification of INVLPG, and of a page fault, is the linear address itself and needs no record.
General-purpose registers are numbered as in instruction encodings: 0 is RAX, 4 is RSP, 15 is R15.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache


class CrAccessType(IntEnum):
    """Bits 5:4 of the qualification of a control-register access."""

    MOV_TO_CR = 0
    MOV_FROM_CR = 1
    CLTS = 2
    LMSW = 3


@dataclass(frozen=True, slots=True)
class CrAccess:
    """A control-register access (table 27-3)."""

    register: int
    type: CrAccessType
    gpr: int = 0
    lmsw_memory: bool = False
    lmsw_source: int = 0

    def encode(self) -> int:
        """The exit qualification."""
        return (
            self.register
            | self.type << 4
            | self.lmsw_memory << 6
            | self.gpr << 8
            | self.lmsw_source << 16
        )

    @classmethod
    @lru_cache(maxsize=1024)
    def decode(cls, value: int) -> CrAccess:
        """The record of an exit qualification."""
        return cls(
            register=value & 0xF,
            type=CrAccessType(value >> 4 & 3),
            gpr=value >> 8 & 0xF,
            lmsw_memory=bool(value >> 6 & 1),
            lmsw_source=value >> 16 & 0xFFFF,
        )


@dataclass(frozen=True, slots=True)
class DrAccess:
    """A MOV to or from a debug register (table 27-4)."""

    register: int
    read: bool
    gpr: int

    def encode(self) -> int:
        """The exit qualification."""
        return self.register | self.read << 4 | self.gpr << 8

    @classmethod
    def decode(cls, value: int) -> DrAccess:
        """The record of an exit qualification."""
        return cls(register=value & 7, read=bool(value >> 4 & 1), gpr=value >> 8 & 0xF)


@dataclass(frozen=True, slots=True)
class IoInstruction:
    """An I/O instruction (table 27-5): `size` in bytes; `read` for IN and INS."""

    port: int
    size: int
    read: bool
    string: bool = False
    rep: bool = False
    immediate: bool = False

    def encode(self) -> int:
        """The exit qualification."""
        return (
            self.size - 1
            | self.read << 3
            | self.string << 4
            | self.rep << 5
            | self.immediate << 6
            | self.port << 16
        )

    @classmethod
    @lru_cache(maxsize=1024)
    def decode(cls, value: int) -> IoInstruction:
        """The record of an exit qualification."""
        return cls(
            port=value >> 16 & 0xFFFF,
            size=(value & 7) + 1,
            read=bool(value >> 3 & 1),
            string=bool(value >> 4 & 1),
            rep=bool(value >> 5 & 1),
            immediate=bool(value >> 6 & 1),
        )


@dataclass(frozen=True, slots=True)
class EptViolation:
    """An EPT violation (table 27-7).

    `read`, `write`, `fetch`: the access. `readable`, `writable`, `executable`: the AND of those
    bits of the EPT entries used. `linear_address_valid`: the guest-linear address field is
    meaningful. `final_translation`: the access was to the translation of the linear address,
    and not to a guest paging-structure entry. `nmi_unblocking`: NMI unblocking due to IRET.
    """

    read: bool
    write: bool
    fetch: bool
    readable: bool
    writable: bool
    executable: bool
    linear_address_valid: bool = True
    final_translation: bool = True
    nmi_unblocking: bool = False

    def encode(self) -> int:
        """The exit qualification."""
        return (
            self.read
            | self.write << 1
            | self.fetch << 2
            | self.readable << 3
            | self.writable << 4
            | self.executable << 5
            | self.linear_address_valid << 7
            | self.final_translation << 8
            | self.nmi_unblocking << 12
        )

    @classmethod
    def decode(cls, value: int) -> EptViolation:
        """The record of an exit qualification."""
        return cls(*(bool(value >> bit & 1) for bit in (0, 1, 2, 3, 4, 5, 7, 8, 12)))


class ApicAccessType(IntEnum):
    """Bits 15:12 of the qualification of an APIC access."""

    LINEAR_READ = 0
    LINEAR_WRITE = 1
    LINEAR_FETCH = 2
    LINEAR_EVENT_DELIVERY = 3
    PHYSICAL_EVENT_DELIVERY = 10
    PHYSICAL_FETCH_OR_EXECUTION = 15


@dataclass(frozen=True, slots=True)
class ApicAccess:
    """An access to the APIC-access page (table 27-6): `offset` within the page."""

    offset: int
    type: ApicAccessType

    def encode(self) -> int:
        """The exit qualification."""
        return self.offset | self.type << 12

    @classmethod
    def decode(cls, value: int) -> ApicAccess:
        """The record of an exit qualification; ValueError for a reserved access type."""
        return cls(offset=value & 0xFFF, type=ApicAccessType(value >> 12 & 0xF))


@dataclass(frozen=True, slots=True)
class DebugException:
    """A debug exception (table 27-1): `breakpoints` is B3:B0; BD and BS as in DR6."""

    breakpoints: int = 0
    debug_register_access: bool = False
    single_step: bool = False

    def encode(self) -> int:
        """The exit qualification."""
        return self.breakpoints | self.debug_register_access << 13 | self.single_step << 14

    @classmethod
    def decode(cls, value: int) -> DebugException:
        """The record of an exit qualification."""
        return cls(value & 0xF, bool(value >> 13 & 1), bool(value >> 14 & 1))


class TaskSwitchSource(IntEnum):
    """Bits 31:30 of the qualification of a task switch."""

    CALL = 0
    IRET = 1
    JMP = 2
    TASK_GATE = 3


@dataclass(frozen=True, slots=True)
class TaskSwitch:
    """A task switch (table 27-2)."""

    selector: int
    source: TaskSwitchSource

    def encode(self) -> int:
        """The exit qualification."""
        return self.selector | self.source << 30

    @classmethod
    def decode(cls, value: int) -> TaskSwitch:
        """The record of an exit qualification."""
        return cls(value & 0xFFFF, TaskSwitchSource(value >> 30 & 3))
