"""RDMSR and WRMSR on the bare processor, by the declared table of MSRs."""

from __future__ import annotations

from hardware_model import msrs
from hardware_model.executor import words as W
from hardware_model.executor.engine import Engine
from hardware_model.executor.registers import Registers, Segment
from hardware_model.mmu.paging import Cr0

EFER, STAR, LSTAR, CSTAR, FMASK = 0xC0000080, 0xC0000081, 0xC0000082, 0xC0000083, 0xC0000084
FS_BASE, GS_BASE, KERNEL_GS_BASE, TSC_AUX = 0xC0000100, 0xC0000101, 0xC0000102, 0xC0000103
TSC = 0x10
SYSENTER_ESP, SYSENTER_EIP, PAT = 0x175, 0x176, 0x277
_IN_STATE = {
    STAR: "star",
    LSTAR: "lstar",
    CSTAR: "cstar",
    FMASK: "fmask",
    KERNEL_GS_BASE: "kernel_gs_base",
    SYSENTER_ESP: "sysenter_esp",
    SYSENTER_EIP: "sysenter_eip",
    PAT: "pat",
}
_SEGMENT_BASE = {FS_BASE: "fs", GS_BASE: "gs"}


class ModelSpecificRegisters:
    """The MSRs of one processor: some live in the engine's state, the others here."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._registers: Registers = engine.registers
        self.values: dict[int, int] = {msr.number: msr.reset for msr in msrs.MSRS}

    def read(self, number: int) -> int | None:
        """Value of an MSR; None means #GP(0)."""
        if number in _IN_STATE:
            return self._registers.msr(_IN_STATE[number])
        if number in _SEGMENT_BASE:
            return self._registers.segment(_SEGMENT_BASE[number]).base
        if number == EFER:
            return self._registers.efer
        if number == TSC:
            return (self._clock() + int(self._engine.words[W.TSC_ADJUST])) & msrs.ALL_BITS
        if number == TSC_AUX:
            return int(self._engine.words[W.TSC_AUX])
        return self.values.get(number)

    def _clock(self) -> int:
        """The time-stamp counter had it never been written, the VMCS's offset included."""
        return int(self._engine.words[W.CLOCK]) + int(self._engine.words[W.TSC_OFFSET])

    def write(self, number: int, value: int) -> bool:
        """Store an MSR; False means #GP(0)."""
        current = self.read(number)
        if current is None or not self._allowed(number, current, value):
            return False
        self._store(number, msrs.written(number, current, value))
        return True

    def _allowed(self, number: int, current: int, value: int) -> bool:
        if number == EFER:
            paging = bool(self._registers.cr(0) & Cr0.PG)
            if not msrs.efer_change_allowed(current, value, paging=paging):
                return False
        return msrs.check_write(number, value)

    def _store(self, number: int, value: int) -> None:
        words = self._engine.words
        if number in _IN_STATE:
            self._registers.set_msr(_IN_STATE[number], value)
        elif number in _SEGMENT_BASE:
            self.set_segment_base(_SEGMENT_BASE[number], value)
        elif number == EFER:
            self._registers.efer = value
            self._engine.flush_tlb()
        elif number == TSC:
            words[W.TSC_ADJUST] = (value - self._clock()) & msrs.ALL_BITS
        elif number == TSC_AUX:
            words[W.TSC_AUX] = value
        else:
            self.values[number] = value

    def set_segment_base(self, name: str, base: int) -> None:
        """Set the base of FS or GS."""
        old = self._registers.segment(name)
        self._registers.set_segment(name, Segment(old.selector, base, old.limit, old.flags))
