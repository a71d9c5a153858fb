"""The model-specific registers of the machine, declared once (Intel SDM vol. 4 and vol. 3A).

An MSR that is not in the table raises #GP(0) when it is read or written. The VMX capability MSRs
belong to `hardware_model.vmx.capability_msrs`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum

from hardware_model.canonical import is_canonical

ALL_BITS = (1 << 64) - 1


class Msr(IntEnum):
    """MSR numbers, by their SDM names without the prefix IA32_."""

    TIME_STAMP_COUNTER = 0x10
    APIC_BASE = 0x1B
    FEATURE_CONTROL = 0x3A
    BIOS_SIGN_ID = 0x8B
    SYSENTER_CS = 0x174
    SYSENTER_ESP = 0x175
    SYSENTER_EIP = 0x176
    MISC_ENABLE = 0x1A0
    DEBUGCTL = 0x1D9
    PAT = 0x277
    EFER = 0xC000_0080
    STAR = 0xC000_0081
    LSTAR = 0xC000_0082
    CSTAR = 0xC000_0083
    FMASK = 0xC000_0084
    FS_BASE = 0xC000_0100
    GS_BASE = 0xC000_0101
    KERNEL_GS_BASE = 0xC000_0102
    TSC_AUX = 0xC000_0103


class Efer(IntEnum):
    """Bits of IA32_EFER (SDM vol. 3A section 2.2.1)."""

    SCE = 1 << 0
    LME = 1 << 8
    LMA = 1 << 10
    NXE = 1 << 11


APIC_BASE_ADDRESS = 0xFEE0_0000
APIC_BASE_BSP = 1 << 8
APIC_BASE_ENABLE = 1 << 11
FEATURE_CONTROL_LOCK = 1 << 0
_PAT_RESERVED, _PAT_BIT_1 = 0xF8F8F8F8_F8F8F8F8, 0x02020202_02020202


def _any(value: int) -> bool:
    return True


def _never(value: int) -> bool:
    return False


def _pat(value: int) -> bool:
    """Whether each byte is one of the types 0, 1, 4, 5, 6, 7: UC, WC, WT, WP, WB, UC-."""
    return not value & _PAT_RESERVED and not value & ~(value >> 1) & _PAT_BIT_1


@dataclass(frozen=True, slots=True)
class MsrRow:
    """One register.

    `reset` is its value at power-up. A write changes the `writable` bits and keeps the others; it
    raises #GP(0) if it sets one of the `reserved` bits or if `accepts` refuses the value.
    """

    number: Msr
    sdm_name: str
    doc: str
    reset: int = 0
    writable: int = ALL_BITS
    reserved: int = 0
    accepts: Callable[[int], bool] = _any


_EFER_WRITABLE = Efer.SCE | Efer.LME | Efer.NXE
_HIGH_HALF = 0xFFFF_FFFF << 32
_APIC_BASE_FIXED = APIC_BASE_ADDRESS | APIC_BASE_ENABLE

MSRS: tuple[MsrRow, ...] = (
    MsrRow(Msr.TIME_STAMP_COUNTER, "IA32_TIME_STAMP_COUNTER", "virtual time plus an offset"),
    MsrRow(
        Msr.APIC_BASE,
        "IA32_APIC_BASE",
        "where the local APIC is; it can be neither moved nor switched off nor made an x2APIC",
        reset=_APIC_BASE_FIXED | APIC_BASE_BSP,
        writable=0,
        accepts=lambda value: value & ~APIC_BASE_BSP == _APIC_BASE_FIXED,
    ),
    MsrRow(
        Msr.FEATURE_CONTROL,
        "IA32_FEATURE_CONTROL",
        "locked with VMX off: guests are not offered nested virtualization",
        reset=FEATURE_CONTROL_LOCK,
        accepts=_never,
    ),
    MsrRow(Msr.BIOS_SIGN_ID, "IA32_BIOS_SIGN_ID", "microcode revision: none", writable=0),
    MsrRow(Msr.SYSENTER_CS, "IA32_SYSENTER_CS", "target CS of SYSENTER"),
    MsrRow(Msr.SYSENTER_ESP, "IA32_SYSENTER_ESP", "target RSP of SYSENTER", accepts=is_canonical),
    MsrRow(Msr.SYSENTER_EIP, "IA32_SYSENTER_EIP", "target RIP of SYSENTER", accepts=is_canonical),
    MsrRow(
        Msr.MISC_ENABLE,
        "IA32_MISC_ENABLE",
        "fast strings on; no branch trace storage, no precise event-based sampling",
        reset=1 << 0 | 1 << 11 | 1 << 12,
        writable=1 << 0,
    ),
    MsrRow(
        Msr.DEBUGCTL,
        "IA32_DEBUGCTL",
        "debug control: last-branch records and branch single-stepping do not exist",
        writable=0,
        reserved=ALL_BITS,
    ),
    MsrRow(
        Msr.PAT,
        "IA32_PAT",
        "page attribute table: kept, without effect on the model",
        reset=0x0007_0406_0007_0406,
        accepts=_pat,
    ),
    MsrRow(
        Msr.EFER,
        "IA32_EFER",
        "extended features: SYSCALL, IA-32e mode, execute-disable",
        writable=_EFER_WRITABLE,
        reserved=ALL_BITS & ~(_EFER_WRITABLE | Efer.LMA),
    ),
    MsrRow(Msr.STAR, "IA32_STAR", "selectors of SYSCALL and SYSRET"),
    MsrRow(Msr.LSTAR, "IA32_LSTAR", "target RIP of SYSCALL", accepts=is_canonical),
    MsrRow(
        Msr.CSTAR, "IA32_CSTAR", "target RIP of SYSCALL in compatibility mode", accepts=is_canonical
    ),
    MsrRow(
        Msr.FMASK,
        "IA32_FMASK",
        "flags that SYSCALL clears",
        writable=0xFFFF_FFFF,
        reserved=_HIGH_HALF,
    ),
    MsrRow(Msr.FS_BASE, "IA32_FS_BASE", "base of FS", accepts=is_canonical),
    MsrRow(Msr.GS_BASE, "IA32_GS_BASE", "base of GS", accepts=is_canonical),
    MsrRow(
        Msr.KERNEL_GS_BASE, "IA32_KERNEL_GS_BASE", "what SWAPGS exchanges", accepts=is_canonical
    ),
    MsrRow(
        Msr.TSC_AUX,
        "IA32_TSC_AUX",
        "what RDTSCP puts into ECX",
        writable=0xFFFF_FFFF,
        reserved=_HIGH_HALF,
    ),
)
"""All rows, by ascending number."""

BY_NUMBER: dict[int, MsrRow] = {row.number: row for row in MSRS}


def reset_values() -> dict[int, int]:
    """The value of every register at power-up, by number."""
    return {row.number: row.reset for row in MSRS}


def check_read(msr: int) -> bool:
    """Whether RDMSR of `msr` succeeds; False means #GP(0)."""
    return msr in BY_NUMBER


def check_write(msr: int, value: int) -> bool:
    """Whether WRMSR of the 64-bit `value` to `msr` succeeds; False means #GP(0).

    What depends on other state is the caller's: changing EFER.LME while CR0.PG = 1 raises #GP(0)
    too (SDM vol. 3A section 4.1.1; see `efer_change_allowed`).
    """
    row = BY_NUMBER.get(msr)
    return row is not None and not value & row.reserved and row.accepts(value)


def written(msr: int, current: int, value: int) -> int:
    """What `msr` holds after a write of `value` that `check_write` allows; `current` before it."""
    writable = BY_NUMBER[msr].writable
    return (current & ~writable) | (value & writable)


def efer_change_allowed(current: int, value: int, *, paging: bool) -> bool:
    """Whether EFER may go from `current` to `value`: LME is fixed while `paging` (CR0.PG) is on."""
    return not (paging and (current ^ value) & Efer.LME)
