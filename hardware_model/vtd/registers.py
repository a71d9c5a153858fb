"""The remapping unit's registers: offsets and bits (VT-d specification chapter 11, "Register Descriptions").

000  VER_REG              038  FECTL_REG           090  IQA_REG
008  CAP_REG       (64)   03c  FEDATA_REG          09c  ICS_REG
010  ECAP_REG      (64)   040  FEADDR_REG          0a0  IECTL_REG
018  GCMD_REG             044  FEUADDR_REG         0a4  IEDATA_REG
01c  GSTS_REG             064  PMEN_REG            0a8  IEADDR_REG
020  RTADDR_REG    (64)   068  PLMBASE / 06c PLMLIMIT      0ac  IEUADDR_REG
028  CCMD_REG      (64)   070  PHMBASE / 078 PHMLIMIT (64) 0b8  IRTA_REG (64)
034  FSTS_REG             080  IQH_REG / 088 IQT_REG (64)
100  IVA_REG / 108 IOTLB_REG (64)     200 + 16 n  FRCD_REG n (128), at CAP.FRO
"""

from __future__ import annotations

from enum import IntEnum, IntFlag


class Register(IntEnum):
    """Offsets from the unit's base address."""

    VER = 0x000
    CAP = 0x008
    ECAP = 0x010
    GCMD = 0x018
    GSTS = 0x01C
    RTADDR = 0x020
    CCMD = 0x028
    FSTS = 0x034
    FECTL = 0x038
    FEDATA = 0x03C
    FEADDR = 0x040
    FEUADDR = 0x044
    PMEN = 0x064
    PLMBASE = 0x068
    PLMLIMIT = 0x06C
    PHMBASE = 0x070
    PHMLIMIT = 0x078
    IQH = 0x080
    IQT = 0x088
    IQA = 0x090
    ICS = 0x09C
    IECTL = 0x0A0
    IEDATA = 0x0A4
    IEADDR = 0x0A8
    IEUADDR = 0x0AC
    IRTA = 0x0B8
    IVA = 0x100
    IOTLB = 0x108
    FRCD = 0x200


FAULT_RECORDS = 8
RECORD_BYTES = 16

WIDE = frozenset(
    {
        *(Register.CAP, Register.ECAP, Register.RTADDR, Register.CCMD, Register.PHMBASE),
        *(Register.PHMLIMIT, Register.IQH, Register.IQT, Register.IQA, Register.IRTA),
        *(Register.IVA, Register.IOTLB),
    }
)
"""Registers of 64 bits; the others have 32. FRCD registers are pairs of 64."""


class GlobalCommand(IntFlag):
    """GCMD_REG; the bits of GSTS_REG lie at the same places (11.4.4)."""

    CFI = 1 << 23
    SIRTP = 1 << 24
    IRE = 1 << 25
    QIE = 1 << 26
    WBF = 1 << 27
    SRTP = 1 << 30
    TE = 1 << 31


ONE_SHOT = GlobalCommand.SIRTP | GlobalCommand.WBF | GlobalCommand.SRTP
"""Commands that act when written as 1; the other bits of GCMD are states."""


class FaultStatus(IntFlag):
    """FSTS_REG (11.4.7.1); FRI, bits 15:8, is the first record with a pending fault."""

    PFO = 1 << 0
    PPF = 1 << 1
    IQE = 1 << 4


FRI_SHIFT = 8


class EventControl(IntFlag):
    """FECTL_REG and IECTL_REG."""

    IP = 1 << 30
    IM = 1 << 31


class ProtectedMemory(IntFlag):
    """PMEN_REG."""

    PRS = 1 << 0
    EPM = 1 << 31


VERSION = 0x10
"""Architecture version 1.0, as units report it that have legacy mode and queued invalidation."""

GUEST_ADDRESS_WIDTH = 48
MAXIMUM_MASK = 18
"""CAP.MAMV: a page-selective invalidation covers at most 2^18 pages."""

_SAGAW = 1 << 1 | 1 << 2  # 39-bit (3-level) and 48-bit (4-level) tables
CAPABILITY = (
    6  # ND: 2^16 domains
    | 1 << 5  # PLMR
    | 1 << 6  # PHMR
    | _SAGAW << 8
    | (GUEST_ADDRESS_WIDTH - 1) << 16  # MGAW
    | 1 << 22  # ZLR: zero-length reads of write-only pages succeed
    | (Register.FRCD >> 4) << 24  # FRO
    | 0b11 << 34  # SLLPS: pages of 2 MiB and 1 GiB
    | 1 << 39  # PSI: page-selective invalidation
    | (FAULT_RECORDS - 1) << 40  # NFR
    | MAXIMUM_MASK << 48  # MAMV
    | 1 << 54  # DWD
    | 1 << 55  # DRD
    | 1 << 59  # PI: posted interrupts
)
EXTENDED_CAPABILITY = (
    1 << 0  # C: table walks are coherent
    | 1 << 1  # QI
    | 1 << 3  # IR
    | 1 << 6  # PT: pass-through
    | (Register.IVA >> 4) << 8  # IRO
    | 0xF << 20  # MHMV
)
