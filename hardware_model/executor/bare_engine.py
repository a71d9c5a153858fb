"""The engine with nothing of ours on it: no hooks, its own MMU. What the accounted machine's speed
is measured against.
"""

from __future__ import annotations

import ctypes
import time
from typing import Any

import numpy as np
import unicorn
from unicorn import x86_const as x86

from hardware_model.boot import CpuState
from hardware_model.executor.build import check

_engine: Any = unicorn  # the binding is not typed
_EFER = 0xC0000080
_PAGE = 4096


class BareEngine:
    """A plain Unicorn instance over `ram_bytes` of memory, with the CPU model that the machine uses."""

    def __init__(self, ram_bytes: int) -> None:
        check()
        self._raw = np.zeros(ram_bytes + _PAGE, np.uint8)
        start = -self._raw.ctypes.data % _PAGE
        self.ram = self._raw[start : start + ram_bytes]
        self.uc: Any = _engine.Uc(_engine.UC_ARCH_X86, _engine.UC_MODE_64)
        self.uc.ctl_set_cpu_model(x86.UC_CPU_X86_EPYC)
        self.uc.mem_map_ptr(0, ram_bytes, _engine.UC_PROT_ALL, self.ram.ctypes.data)

    def write(self, address: int, data: bytes) -> None:
        """Store `data` in memory before the run."""
        self.ram[address : address + len(data)] = np.frombuffer(data, np.uint8)

    def count_with_python_hook(self) -> ctypes.c_uint64:
        """Count blocks the way a plain user of the binding would: a Python block hook."""
        counter = ctypes.c_uint64()

        def on_block(uc: Any, address: int, size: int, data: object) -> None:
            counter.value += 1

        self.uc.hook_add(_engine.UC_HOOK_BLOCK, on_block)
        return counter

    def run(self, state: CpuState) -> float:
        """Execute from `state` to the first HLT; host seconds taken."""
        uc = self.uc
        uc.reg_write(x86.UC_X86_REG_CR4, state.cr4)
        uc.reg_write(x86.UC_X86_REG_CR3, state.cr3)
        uc.msr_write(_EFER, state.efer)
        uc.reg_write(x86.UC_X86_REG_CR0, state.cr0)
        uc.reg_write(x86.UC_X86_REG_RSP, state.rsp)
        for number, value in state.gpr.items():
            uc.reg_write(_GPR[number], value)
        begin = time.perf_counter()
        uc.emu_start(state.rip, 0)
        return time.perf_counter() - begin


_GPR = [
    x86.UC_X86_REG_RAX, x86.UC_X86_REG_RCX, x86.UC_X86_REG_RDX, x86.UC_X86_REG_RBX, x86.UC_X86_REG_RSP,
    x86.UC_X86_REG_RBP, x86.UC_X86_REG_RSI, x86.UC_X86_REG_RDI, *(x86.UC_X86_REG_R8 + i for i in range(8)),
]  # fmt: skip
