"""Segment registers as the guest loads them, by its own descriptors and its own privilege level.

Checks are those of Intel SDM vol. 3A section 5.5 to 5.8 with CPL 0 or 3; what is loaded into the
processor has ring 0 moved to ring 1.
"""

from __future__ import annotations

from dataclasses import dataclass

from hardware_model.executor.registers import Registers, Segment
from techniques.deprivileged.descriptor_mirror import (
    ACCESSED,
    CODE,
    CONFORMING,
    DPL_SHIFT,
    PRESENT,
    SYSTEM_BIT,
)
from techniques.deprivileged.exceptions import (
    NOT_PRESENT,
    STACK_FAULT,
    GuestException,
    general_protection,
)
from techniques.deprivileged.linear_memory import LinearMemory
from techniques.deprivileged.virtual_cpu import KERNEL_RING, VirtualCpu

WRITABLE = READABLE = 1 << 41
LONG, BIG = 1 << 53, 1 << 54
_TYPE_SHIFT, _NULL = 40, 0xFFFC
_FLAGS = 0x00F0FF00
_DPL_FLAGS = 3 << 13
_FLAT_LIMIT = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Descriptor:
    """A descriptor of the guest: its first 8 bytes as `word`, at linear address `address`."""

    word: int
    address: int

    @property
    def dpl(self) -> int:
        """Descriptor privilege level."""
        return self.word >> DPL_SHIFT & 3

    @property
    def base(self) -> int:
        """Bits 31:0 of the base."""
        return self.word >> 16 & 0xFFFFFF | self.word >> 32 & 0xFF000000

    @property
    def limit(self) -> int:
        """Offset of the last byte."""
        limit = self.word & 0xFFFF | self.word >> 32 & 0xF0000
        return limit << 12 | 0xFFF if self.word >> 55 & 1 else limit

    @property
    def system_type(self) -> int | None:
        """Type of a system descriptor; None for code and data."""
        return None if self.word & SYSTEM_BIT else self.word >> _TYPE_SHIFT & 15


def is_writable_data(word: int) -> bool:
    """Whether a descriptor is of a writable data segment."""
    return bool(word & SYSTEM_BIT and not word & CODE and word & WRITABLE)


def compressed_flags(flags: int, *, dpl: int) -> int:
    """Segment-cache flags of a segment of ring `dpl`, ring 0 moved to ring 1."""
    return flags & ~_DPL_FLAGS | (dpl or KERNEL_RING) << 13


class Segmentation:
    """Loads segment registers for the guest from the tables that its GDTR and LDTR name."""

    def __init__(self, registers: Registers, cpu: VirtualCpu, memory: LinearMemory) -> None:
        self._registers = registers
        self._cpu = cpu
        self._memory = memory

    def descriptor(self, selector: int) -> Descriptor:
        """The descriptor of a selector that is not null; #GP(selector) beyond the table's limit."""
        base, limit = self._cpu.gdtr
        if selector & 4:
            base, limit = self._cpu.ldtr.base, self._cpu.ldtr.limit
        offset = selector & 0xFFF8
        if offset + 7 > limit:
            raise general_protection(selector & _NULL)
        return Descriptor(self._memory.read_integer(base + offset, 8), base + offset)

    def system_descriptor(self, selector: int) -> tuple[Descriptor, int]:
        """As `descriptor`, with the full 64-bit base; the 16 bytes must lie in the GDT."""
        found = self.descriptor(selector)
        if selector & 4 or (selector & 0xFFF8) + 15 > self._cpu.gdtr[1]:
            raise general_protection(selector & _NULL)
        upper = self._memory.read_integer(found.address + 8, 8)
        return found, found.base | (upper & 0xFFFFFFFF) << 32

    def load(self, name: str, selector: int) -> None:
        """MOV to DS, ES, FS, GS or SS (SDM vol. 2B, MOV, protected-mode exceptions)."""
        if not selector & _NULL:
            if name == "ss" and self._cpu.cpl == 3:
                raise general_protection()
            self._set(name, selector, 0, 0, 0)
            return
        found = self.descriptor(selector)
        self._check_data(name, selector, found)
        if not found.word & PRESENT:
            vector = STACK_FAULT if name == "ss" else NOT_PRESENT
            raise GuestException(vector, selector & _NULL)
        self.mark_accessed(found)
        self.load_checked(name, selector, found)

    def _check_data(self, name: str, selector: int, found: Descriptor) -> None:
        word, rpl, cpl = found.word, selector & 3, self._cpu.cpl
        if name == "ss":
            allowed = is_writable_data(word) and rpl == cpl == found.dpl
        else:
            readable = bool(word & SYSTEM_BIT) and (not word & CODE or bool(word & READABLE))
            conforming = bool(word & CODE and word & CONFORMING)
            allowed = readable and (conforming or found.dpl >= max(cpl, rpl))
        if not allowed:
            raise general_protection(selector & _NULL)

    def mark_accessed(self, found: Descriptor) -> None:
        """Set the accessed flag, as a load does where it is clear."""
        if not found.word & ACCESSED:
            self._memory.write(found.address, (found.word | ACCESSED).to_bytes(8, "little"))

    def load_checked(self, name: str, selector: int, found: Descriptor) -> None:
        """Load a segment register whose descriptor passed its checks."""
        flags = (found.word | ACCESSED) >> 32 & _FLAGS
        self._set(name, selector, found.base, found.limit, compressed_flags(flags, dpl=found.dpl))

    def _set(self, name: str, selector: int, base: int, limit: int, flags: int) -> None:
        if name in ("cs", "ss") and not selector & 3:
            selector |= KERNEL_RING
        self._registers.set_segment(name, Segment(selector, base, limit, flags))

    def load_null_stack(self, ring: int) -> None:
        """SS after an entry to, or a return to, `ring` without a stack segment."""
        flags = compressed_flags(0x00C09300, dpl=ring)
        self._set("ss", ring, 0, _FLAT_LIMIT, flags)

    def load_fixed(self, name: str, selector: int, flags: int) -> None:
        """A flat segment that SYSCALL or SYSRET loads without looking at descriptors."""
        self._set(name, selector, 0, _FLAT_LIMIT, compressed_flags(flags, dpl=selector & 3))

    def drop_inner(self, ring: int) -> None:
        """After a return to an outer `ring`, data segments of inner rings become null."""
        for name in ("es", "fs", "gs", "ds"):
            segment = self._registers.segment(name)
            code = segment.flags >> 11 & 1
            conforming = code and segment.flags >> 10 & 1
            if segment.selector & _NULL and not conforming and segment.flags >> 13 & 3 < ring:
                self._registers.set_segment(name, Segment(0, 0, 0, 0))
