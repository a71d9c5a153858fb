"""The engine's own MMU, with nothing of ours on it: executes one access at CPL 0 or 3 and says what came of it."""

from __future__ import annotations

import ctypes

import numpy as np
import unicorn
from unicorn import x86_const as x86

from hardware_model.executor import layout as L
from hardware_model.executor.calibration import find_cpu
from hardware_model.executor.engine import _tlb_flush
from hardware_model.executor.registers import Registers, Segment
from tests.proofs import paging_oracle as O

BYTES = 0x40000
CODE, CODE_VA = 0x10000, 0x10000  # identity-mapped through PML4 slot 0
_SLOT0 = 0x20000  # its tables
_AC = 1 << 18
_LOAD, _STORE, _FETCH = CODE_VA, CODE_VA + 0x10, CODE_VA + 0x20
_CPL3 = {
    "cs": Segment(0x2B, 0, 0xFFFFFFFF, 0x00AFFB00),
    "ss": Segment(0x23, 0, 0xFFFFFFFF, 0x00CFF300),
}
_CPL0 = {
    "cs": Segment(0x08, 0, 0xFFFFFFFF, 0x00AF9B00),
    "ss": Segment(0x10, 0, 0xFFFFFFFF, 0x00CF9300),
}


class EngineMmu:
    """One engine; `words` are its tables (see `paging_oracle`) as 64-bit words."""

    def __init__(self) -> None:
        self._raw = np.zeros(BYTES + 4096, np.uint8)
        start = -self._raw.ctypes.data % 4096
        self._memory = self._raw[start : start + BYTES]
        self.words = self._memory.view(np.uint64)
        self._uc = unicorn.Uc(unicorn.UC_ARCH_X86, unicorn.UC_MODE_64)
        self._uc.ctl_set_cpu_model(x86.UC_CPU_X86_EPYC)
        self._uc.mem_map_ptr(0, BYTES, unicorn.UC_PROT_ALL, self._memory.ctypes.data)
        for shift in (12, 21, 30):
            self._uc.mem_map(O.TARGET + (O.VA & (1 << shift) - 1 & ~0xFFF), 0x1000)
        self._cpu = find_cpu(self._uc, int(self._uc._uch.value))
        self._registers = Registers(self._cpu + L.ENV, np.zeros(1, np.uint64), None)  # type: ignore[arg-type]
        self._fault: int | None = None
        self._uc.hook_add(unicorn.UC_HOOK_INTR, self._interrupt)
        self._build()

    def _build(self) -> None:
        self._memory[CODE : CODE + 0x30] = 0xF4  # HLT
        self._memory[CODE : CODE + 2] = (0x8A, 0x03)  # mov al, [rbx]
        self._memory[CODE + 0x10 : CODE + 0x12] = (0x88, 0x03)  # mov [rbx], al
        self._memory[CODE + 0x20 : CODE + 0x22] = (0xFF, 0xE3)  # jmp rbx
        for shift in (12, 21, 30):
            self._uc.mem_write(O.TARGET + (O.VA & (1 << shift) - 1), b"\xf4")
        for level in range(3):
            self.words[(_SLOT0 + level * 0x1000) >> 3] = _SLOT0 + (level + 1) * 0x1000 | 7
        self.words[(_SLOT0 + 0x3000 >> 3) + (CODE_VA >> 12)] = CODE | 7
        self.words[O.table(4) >> 3] = _SLOT0 + 0x1000 | 7

    def _interrupt(self, uc: object, number: int, data: object) -> None:
        if number == 14:
            assert self._registers.cr(2) == O.VA
            self._fault = ctypes.c_uint32.from_address(self._cpu + L.ENV + L.ENV_ERROR_CODE).value
        ctypes.c_int32.from_address(self._cpu + L.ENV + L.ENV_OLD_EXCEPTION).value = -1
        self._uc.emu_stop()

    def _enter(self, user: bool, ac: bool, controls: int) -> None:
        """Privilege level and controls of a case; code pages are the user's, so SMEP is off where the code itself runs."""
        r = self._registers
        for name, segment in (_CPL3 if user else _CPL0).items():
            r.set_segment(name, segment)
        r.cpl = 3 if user else 0
        write = self._uc.reg_write
        write(x86.UC_X86_REG_CR3, O.table(4))
        write(x86.UC_X86_REG_CR4, 0x20 | (controls >> 2 & 3) << 20)
        self._uc.msr_write(0xC0000080, 0x500 | (controls >> 1 & 1) << 11)
        write(x86.UC_X86_REG_CR0, 0x80000001 | (controls & 1) << 16)
        write(x86.UC_X86_REG_EFLAGS, 2 | (_AC if ac else 0))
        self.words[(_SLOT0 + 0x3000 >> 3) + (CODE_VA >> 12)] = CODE | (7 if user else 3)

    def walk_all(self, cases: np.ndarray, upper_at: int, leaf_at: int) -> np.ndarray:
        """Rows of results as the oracle's: status, error code, both entries afterwards."""
        results = np.zeros((len(cases), 4), np.uint64)
        for i, (upper, leaf, controls, kind, user, ac) in enumerate(cases.tolist()):
            self.words[upper_at >> 3], self.words[leaf_at >> 3] = upper, leaf
            self._enter(bool(user), bool(ac), controls)
            _tlb_flush(self._cpu)
            self._uc.reg_write(x86.UC_X86_REG_RBX, O.VA)
            self._uc.reg_write(x86.UC_X86_REG_RAX, 0xF4)  # a store leaves the HLT as it is
            self._fault = None
            self._uc.emu_start((_LOAD, _STORE, _FETCH)[kind], 0)
            results[i] = (
                self._fault is not None,
                self._fault or 0,
                self.words[upper_at >> 3],
                self.words[leaf_at >> 3],
            )
        return results
