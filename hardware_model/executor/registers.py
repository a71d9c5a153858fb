"""The CPU state of the engine as registers: views, no copies, 0.1 µs an access."""

from __future__ import annotations

import ctypes
from array import array
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from hardware_model.executor import layout as L
from hardware_model.executor import words as W

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
_RF_VM, _ALL_FLAGS = 1 << 16 | 1 << 17, 0xFFFFFFFF
_NO_GENERAL_REGISTERS = array("Q", bytes(8 * len(GPR_NAMES)))


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

    Attributes: `gpr`, a view of RAX..R15 as 64-bit words in encoding order; other registers are properties.
    """

    def __init__(self, env: int, words: np.ndarray, rflags_access: RflagsAccess) -> None:
        raw = (ctypes.c_uint8 * 0x1600).from_address(env)
        octets = memoryview(raw).cast("B")
        self._q = octets.cast("Q")
        self._d = octets.cast("I")
        self.gpr = self._q[: len(GPR_NAMES)]
        self._words = words
        self._rflags = rflags_access

    def set_general(self, values: Mapping[int, int]) -> None:
        """Set the general registers: `values` by number, the others 0."""
        self.gpr[:] = memoryview(_NO_GENERAL_REGISTERS)
        for number, value in values.items():
            self.gpr[number] = value

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
    def single_steps(self) -> bool:
        """RFLAGS.TF."""
        return bool(self._q[L.ENV_EFLAGS // 8] & 0x100)

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
    def mov_ss_shadow(self) -> bool:
        """Whether it is a MOV to SS that holds them off."""
        begun = int(self._words[W.MOV_SS_CLOCK])
        return self.sti_shadow and begun == int(self._words[W.CLOCK])

    @mov_ss_shadow.setter
    def mov_ss_shadow(self, value: bool) -> None:
        self.sti_shadow = value
        self._words[W.MOV_SS_CLOCK] = self._words[W.CLOCK] if value else W.NEVER

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

    def store_cr3(self, value: int) -> None:
        """Set CR3 and nothing else: what is cached of translations is the caller's."""
        self._q[L.ENV_CR // 8 + 3] = value

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
        d, at4 = self._d, at // 4
        return Segment(d[at4], self._q[at // 8 + 1], d[at4 + 4], d[at4 + 5])

    def segment_base(self, name: str) -> int:
        """The base of a segment register."""
        return self._q[_SEGMENT_OFFSETS[name] // 8 + 1]

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
    """RFLAGS through the engine's own helpers, which know its lazily kept arithmetic flags.

    PUSHF's helper leaves RF and VM out; they lie in the flags that are kept as they are.
    """

    def __init__(self, env: int, read: int, write: int) -> None:
        self._read = ctypes.CFUNCTYPE(ctypes.c_uint64, ctypes.c_void_p)(read)
        self._write = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_uint64, ctypes.c_uint32)(
            write
        )
        self._kept = ctypes.c_uint64.from_address(env + L.ENV_EFLAGS)
        self._env = env

    def read(self) -> int:
        flags: int = self._read(self._env)
        return flags | self._kept.value & _RF_VM

    def write(self, value: int) -> None:
        self._write(self._env, value, _ALL_FLAGS)
