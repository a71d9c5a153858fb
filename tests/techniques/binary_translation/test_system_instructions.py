"""What the table of system instructions says of binary translation is what the translator does, for every row."""

from __future__ import annotations

import pytest

from hardware_model.system_instructions import BY_MNEMONIC, SYSTEM_INSTRUCTIONS
from hardware_model.system_instructions.row import SystemInstruction
from techniques.binary_translation.layout import CACHE, REGION
from techniques.binary_translation.translator import Translator
from techniques.binary_translation.unit import Kind

RIPS = (0xFFFF_FFFF_8000_0100, 0x7000_0000_0100)
"""Within reach of absolute addresses of 32 bits, and beyond."""

UD2 = b"\x0f\x0b"
EXAMPLES = {
    "CLI": "fa", "STI": "fb", "PUSHF": "9c 669c", "POPF": "9d 669d", "IRET": "48cf cf", "INT n": "cd80", "INT3": "cc",
    "INT1": "f1", "HLT": "f4", "PAUSE": "f390", "MONITOR": "0f01c8", "MWAIT": "0f01c9",
    "LAR": "0f02c1 480f0204 0f0205", "LSL": "0f03c1 480f0304", "VERR": "0f00e0 0f002500000000", "VERW": "0f00e8 0f0028",
    "MOV r, CS|SS": "8cc8 8cd0 8c0d00000000", "MOV r, DS|ES|FS|GS": "8cd8 8cc0 8ce0 8ce8", "MOV sreg, r": "8ed8 8ed0 8e18",
    "PUSH CS|SS|DS|ES": "0e 16 1e 06", "PUSH FS|GS": "0fa0 0fa8", "POP SS|DS|ES": "17 1f 07", "POP FS|GS": "0fa1 0fa9",
    "LSS, LFS, LGS": "0fb201 0fb401 480fb501", "CALL far": "ff1b 48ff1b", "JMP far": "ff2b 48ff2b", "RET far": "cb 48cb ca0800",
    "SWAPGS": "0f01f8", "RDFSBASE, RDGSBASE, WRFSBASE, WRGSBASE": "f30faec0 f30faec8 f30faed0 f30faed8",
    "MOV r, CR0": "0f20c0", "MOV r, CR2": "0f20d0", "MOV r, CR3": "0f20d8", "MOV r, CR4": "0f20e0", "MOV r, CR8": "440f20c0",
    "MOV CR0, r": "0f22c0", "MOV CR2, r": "0f22d0", "MOV CR3, r": "0f22d8", "MOV CR4, r": "0f22e0", "MOV CR8, r": "440f22c0",
    "CLTS": "0f06", "LMSW": "0f01f0", "SMSW": "0f01e0 0f012500000000", "MOV r, DRn": "0f21f8", "MOV DRn, r": "0f23f8",
    "STAC, CLAC": "0f01cb 0f01ca", "XGETBV": "0f01d0", "XSETBV": "0f01d1",
    "LGDT": "0f0110", "LIDT": "0f0118", "LLDT": "0f00d0", "LTR": "0f00d8",
    "SGDT": "0f0100 0f0180ffffff7f", "SIDT": "0f0108 0f0188ffffff7f", "SLDT": "0f00c0 0f000500000000", "STR": "0f00c8 0f000d00000000",
    "SYSCALL": "0f05", "SYSRET": "480f07 0f07", "SYSENTER": "0f34", "SYSEXIT": "0f35 480f35", "RDMSR": "0f32", "WRMSR": "0f30",
    "RDTSC": "0f31", "RDTSCP": "0f01f9", "RDPMC": "0f33", "CPUID": "0fa2", "INVLPG": "0f0138", "INVPCID": "660f388201",
    "INVD": "0f08", "WBINVD": "0f09", "IN": "e480 ec e580 ed", "OUT": "e680 ee e780 ef", "INS": "6c 6d", "OUTS": "6e 6f",
    "VMCALL": "0f01c1", "VMLAUNCH": "0f01c2", "VMRESUME": "0f01c3", "VMXOFF": "0f01c4", "VMXON": "f30fc730",
    "VMCLEAR": "660fc730", "VMPTRLD": "0fc730", "VMPTRST": "0fc738", "VMREAD": "0f78c0", "VMWRITE": "0f79c0",
    "INVEPT": "660f388001", "INVVPID": "660f388101", "GETSEC": "0f37", "RSM": "0faa", "UD2": "0f0b",
}  # fmt: skip


class Page:
    """One page of guest code, from its offset 100h on, as the translator's source."""

    def __init__(self, code: bytes) -> None:
        self._code = code.ljust(0x1000, b"\x90")

    def frame(self, linear: int) -> int:
        """The only frame."""
        return linear >> 12 & 1

    def read(self, frame: int, offset: int, size: int) -> bytes:
        """The code."""
        return self._code[offset - 0x100 :][:size]


def treatment(code: bytes, rip: int) -> str:
    """What the translator makes of one instruction."""
    unit = Translator(Page(code)).translate(rip, REGION + CACHE, single=True)  # type: ignore[arg-type]
    start = unit.starts[rip]
    calls = {at for at, c in unit.callouts.items() if c.kind in (Kind.EMULATE, Kind.WINDOW)}
    body = unit.code[start - unit.entry :]
    if start in calls:
        return "callout"
    behind = start + len(code)
    others = behind < unit.end and unit.mark(behind).rip == rip
    if body.startswith(code) and not others:
        return "copied"
    if body.startswith(UD2):
        return "UD2"
    return "in-cache or callout" if calls else "in-cache"


def test_every_row_has_examples() -> None:
    assert EXAMPLES.keys() == BY_MNEMONIC.keys()


@pytest.mark.parametrize("row", SYSTEM_INSTRUCTIONS, ids=lambda row: row.mnemonic)
def test_the_column_says_what_the_translator_does(row: SystemInstruction) -> None:
    codes = map(bytes.fromhex, EXAMPLES[row.mnemonic].split())
    found = [treatment(code, rip) for code in codes for rip in RIPS]
    said, _, why = row.bt.partition(": ")
    assert {part for one in found for part in one.split(" or ")} == set(said.split(" or ")), found
    assert why or said in ("copied", "in-cache"), "a callout must say why"
