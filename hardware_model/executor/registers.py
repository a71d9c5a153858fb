"""The CPU state of the engine as registers: views, no copies, 0.1 µs an access."""

from __future__ import annotations

import ctypes
from typing import NamedTuple

import numpy as np

from hardware_model.executor import layout as L

GPR_NAMES = (
    "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
    "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
)  # fmt: skip
SEGMENT_NAMES = ("es", "cs", "ss", "ds", "fs", "gs")
_SEGMENT_OFFSETS = {
    **{name: L.ENV_SEGS + L.SEGMENT_BYTES * i for i, name in enumerate(SEGMENT_NAMES)},
    "ldtr": L.ENV_LDT,
    "tr": L.ENV_TR,
}
_TABLE_OFFSETS = {"gdtr": L.ENV_GDT, "idtr": L.ENV_IDT}
_MSR_OFFSETS = {
    "star": L.ENV_STAR,
    "lstar": L.ENV_LSTAR,
    "cstar": L.ENV_CSTAR,
    "fmask": L.ENV_FMASK,
    "kernel_gs_base": L.ENV_KERNEL_GS_BASE,
    "sysenter_esp": L.ENV_SYSENTER_ESP,
    "sysenter_eip": L.ENV_SYSENTER_EIP,
    "pat": L.ENV_PAT,
}
_EFER_SVME = 1 << 12  # always set while the engine runs; no guest ever sees it


class Segment(NamedTuple):
    """A segment register: visible `selector` and the hidden part.

    `flags` holds the descriptor's attribute bits in their place in the descriptor's second doubleword
    (bits 8-15 and 20-23), as the engine caches them.
    """

    selector: int
    base: int
    limit: int
    flags: int


class Registers:
    """Read and write access to every register of the modelled processor.

    Attributes: `gpr`, a uint64 view of RAX..R15 in encoding order; other registers are properties.
    """

    def __init__(self, env: int, words: np.ndarray, rflags_access: RflagsAccess) -> None:
        raw = (ctypes.c_uint8 * 0x1600).from_address(env)
        octets = memoryview(raw).cast("B")
        self._q = octets.cast("Q")
        self._d = octets.cast("I")
        self.gpr = np.frombuffer(octets, np.uint64)[:16]
        self._words = words
        self._rflags = rflags_access

    @property
    def rip(self) -> int:
        """RIP; in a handler, the address of the instruction at hand."""
        return self._q[L.ENV_EIP // 8]

    @rip.setter
    def rip(self, value: int) -> None:
        self._q[L.ENV_EIP // 8] = value

    @property
    def rflags(self) -> int:
        """RFLAGS, the lazily kept arithmetic flags included."""
        return self._rflags.read()

    @rflags.setter
    def rflags(self, value: int) -> None:
        self._rflags.write(value)

    @property
    def interrupts_enabled(self) -> bool:
        """RFLAGS.IF."""
        return bool(self._q[L.ENV_EFLAGS // 8] & 0x200)

    @property
    def alignment_check(self) -> bool:
        """RFLAGS.AC, which lifts SMAP for explicit accesses."""
        return bool(self._q[L.ENV_EFLAGS // 8] & 0x40000)

    @property
    def nested_task(self) -> bool:
        """RFLAGS.NT, with which IRET faults in long mode."""
        return bool(self._q[L.ENV_EFLAGS // 8] & 0x4000)

    @property
    def cpl(self) -> int:
        """Current privilege level."""
        return self._d[L.ENV_HFLAGS // 4] & L.HF_CPL

    @cpl.setter
    def cpl(self, value: int) -> None:
        at = L.ENV_HFLAGS // 4
        self._d[at] = (self._d[at] & ~L.HF_CPL) | value
        if self._q[L.ENV_BNDCFGS // 8]:
            self.follow_bounds()

    def load_bounds(self, config: int, bounds: tuple[tuple[int, int], ...]) -> None:
        """Set IA32_BNDCFGS and BND0 and following, each a lower and an upper bound (Intel SDM vol. 1 chapter 17).

        They check what BNDCL and BNDCU of code below CPL 3 name; at CPL 3 these do nothing.
        """
        self._q[L.ENV_BNDCFGS // 8] = config
        for number, (lower, upper) in enumerate(bounds):
            at = L.ENV_BOUNDS // 8 + 2 * number
            self._q[at], self._q[at + 1] = lower, ~upper & (1 << 64) - 1
        self.follow_bounds()

    def follow_bounds(self) -> None:
        """CPL or CR4 was written: whether bounds are checked, which the engine derives for guests with XSAVE only."""
        at = L.ENV_HFLAGS // 4
        checked = self._q[L.ENV_BNDCFGS // 8] & 1 and self._d[at] & L.HF_CPL != L.HF_CPL
        self._d[at] = self._d[at] & ~L.HF_BOUNDS | (L.HF_BOUNDS if checked else 0)

    @property
    def sti_shadow(self) -> bool:
        """Whether interrupts are held off for one instruction (blocking by STI or MOV SS)."""
        return bool(self._d[L.ENV_HFLAGS // 4] & L.HF_INHIBIT_IRQ)

    @sti_shadow.setter
    def sti_shadow(self, value: bool) -> None:
        at = L.ENV_HFLAGS // 4
        self._d[at] = (self._d[at] & ~L.HF_INHIBIT_IRQ) | (L.HF_INHIBIT_IRQ if value else 0)

    @property
    def nmi_blocked(self) -> bool:
        """Whether blocking by NMI is in effect."""
        return bool(self._d[L.ENV_HFLAGS2 // 4] & (L.HF2_NMI | L.HF2_NMI_HELD))

    def block_nmis(self, blocked: bool, *, until_iret: bool) -> None:
        """Begin or end blocking by NMI; `until_iret`: the guest's IRET ends it."""
        at = L.ENV_HFLAGS2 // 4
        bit = L.HF2_NMI if until_iret else L.HF2_NMI_HELD
        cleared = self._d[at] & ~(L.HF2_NMI | L.HF2_NMI_HELD)
        self._d[at] = cleared | (bit if blocked else 0)

    def cr(self, number: int) -> int:
        """CR0, CR2, CR3 or CR4."""
        return self._q[L.ENV_CR // 8 + number]

    def store_cr2(self, value: int) -> None:
        """Set CR2."""
        self._q[L.ENV_CR // 8 + 2] = value

    @property
    def efer(self) -> int:
        """IA32_EFER."""
        return self._q[L.ENV_EFER // 8] & ~_EFER_SVME

    @efer.setter
    def efer(self, value: int) -> None:
        self._q[L.ENV_EFER // 8] = value | _EFER_SVME

    def dr(self, number: int) -> int:
        """A debug register."""
        return self._q[L.ENV_DR // 8 + number]

    def msr(self, name: str) -> int:
        """One of the MSRs that live in the processor's state: star, lstar, cstar, fmask, kernel_gs_base, ..."""
        return int(self._q[_MSR_OFFSETS[name] // 8])

    def set_msr(self, name: str, value: int) -> None:
        """Set one of the MSRs that `msr` reads."""
        self._q[_MSR_OFFSETS[name] // 8] = value

    def selector(self, name: str) -> int:
        """The visible part of a segment register."""
        return self._d[_SEGMENT_OFFSETS[name] // 4]

    def segment(self, name: str) -> Segment:
        """A segment register: es cs ss ds fs gs ldtr tr."""
        at = _SEGMENT_OFFSETS[name]
        d = self._d
        return Segment(d[at // 4], self._q[at // 8 + 1], d[at // 4 + 4], d[at // 4 + 5])

    def set_segment(self, name: str, segment: Segment) -> None:
        """Set a segment register, hidden part included; the privilege level is set apart."""
        at = _SEGMENT_OFFSETS[name]
        self._d[at // 4] = segment.selector
        self._q[at // 8 + 1] = segment.base
        self._d[at // 4 + 4] = segment.limit
        self._d[at // 4 + 5] = segment.flags

    def table(self, name: str) -> tuple[int, int]:
        """(base, limit) of gdtr or idtr."""
        at = _TABLE_OFFSETS[name]
        return self._q[at // 8 + 1], self._d[at // 4 + 4]

    def set_table(self, name: str, base: int, limit: int) -> None:
        """Set gdtr or idtr."""
        at = _TABLE_OFFSETS[name]
        self._q[at // 8 + 1] = base
        self._d[at // 4 + 4] = limit

    def set_dr(self, number: int, value: int) -> None:
        """Set a debug register's value (breakpoints are armed by the instruction, not here)."""
        self._q[L.ENV_DR // 8 + number] = value


class RflagsAccess:
    """RFLAGS through the engine's own functions, which know its lazily kept arithmetic flags."""

    def __init__(self, uc: int, read: object, write: object, number: int) -> None:
        prototype = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)
        self._read = prototype(read)  # type: ignore[call-overload]
        self._write = prototype(write)  # type: ignore[call-overload]
        self._value = ctypes.c_uint64()
        self._reference = ctypes.byref(self._value)
        self._uc = uc
        self._number = number

    def read(self) -> int:
        self._value.value = 0
        self._read(self._uc, self._number, self._reference)
        return self._value.value

    def write(self, value: int) -> None:
        self._value.value = value
        self._write(self._uc, self._number, self._reference)
