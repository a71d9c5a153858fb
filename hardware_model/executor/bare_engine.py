"""The engine with nothing of ours on it: no hooks, its own MMU. What the accounted machine's speed
is measured against.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import unicorn
from unicorn import x86_const as x86

from hardware_model.boot import CpuState
from hardware_model.executor.build import check

_engine: Any = unicorn  # the binding is not typed
_EFER = 0xC0000080
_PAGE = 4096


@dataclass(slots=True)
class PythonCounts:
    """What Python hooks counted."""

    instructions: int = 0
    blocks: int = 0
    reads: int = 0
    writes: int = 0
    system_calls: int = 0

    def on_instruction(self, uc: Any, address: int, size: int, data: object) -> None:
        """An instruction is about to execute."""
        self.instructions += 1

    def on_block(self, uc: Any, address: int, size: int, data: object) -> None:
        """A basic block is entered."""
        self.blocks += 1

    def on_read(
        self, uc: Any, kind: int, address: int, size: int, value: int, data: object
    ) -> None:
        """Memory is read."""
        self.reads += 1

    def on_write(
        self, uc: Any, kind: int, address: int, size: int, value: int, data: object
    ) -> None:
        """Memory is written."""
        self.writes += 1

    def on_system_call(self, uc: Any, data: object) -> None:
        """A SYSCALL."""
        self.system_calls += 1


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

    def count_with_python_hooks(self) -> PythonCounts:
        """Count the way a plain user of the binding would: Python hooks for instructions, blocks and memory accesses,
        and for SYSCALL, which the engine alone passes over as if it were a NOP.
        """
        counts = PythonCounts()
        uc = self.uc
        uc.hook_add(_engine.UC_HOOK_CODE, counts.on_instruction)
        uc.hook_add(_engine.UC_HOOK_BLOCK, counts.on_block)
        uc.hook_add(_engine.UC_HOOK_MEM_READ, counts.on_read)
        uc.hook_add(_engine.UC_HOOK_MEM_WRITE, counts.on_write)
        uc.hook_add(_engine.UC_HOOK_INSN, counts.on_system_call, None, 1, 0, x86.UC_X86_INS_SYSCALL)
        return counts

    def run(self, state: CpuState) -> float:
        """Execute from `state` to the first HLT; processor seconds taken."""
        uc = self.uc
        uc.reg_write(x86.UC_X86_REG_CR4, state.cr4)
        uc.reg_write(x86.UC_X86_REG_CR3, state.cr3)
        uc.msr_write(_EFER, state.efer)
        uc.reg_write(x86.UC_X86_REG_CR0, state.cr0)
        uc.reg_write(x86.UC_X86_REG_RSP, state.rsp)
        for number, value in state.gpr.items():
            uc.reg_write(_GPR[number], value)
        begin = time.process_time()
        uc.emu_start(state.rip, 0)
        return time.process_time() - begin


_GPR = [
    x86.UC_X86_REG_RAX, x86.UC_X86_REG_RCX, x86.UC_X86_REG_RDX, x86.UC_X86_REG_RBX, x86.UC_X86_REG_RSP,
    x86.UC_X86_REG_RBP, x86.UC_X86_REG_RSI, x86.UC_X86_REG_RDI, *(x86.UC_X86_REG_R8 + i for i in range(8)),
]  # fmt: skip
