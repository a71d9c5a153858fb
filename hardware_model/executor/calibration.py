"""Where the engine keeps its CPU object, checked before anything relies on it.

Objects near the CPU hold the registers in their surroundings too, and a wrong one kills the process later: so nothing
is searched for, and the back-pointers of the pinned build decide.
"""

from __future__ import annotations

import random
import struct
from pathlib import Path
from typing import Any

import unicorn

from hardware_model.executor import layout as L
from hardware_model.executor.build import UnsupportedEngine


def _peek(address: int, size: int) -> bytes:
    """Bytes of this process's memory; none where there is no memory, as a pointer of another build may say."""
    with Path("/proc/self/mem").open("rb", buffering=0) as memory:
        try:
            memory.seek(address)
            return memory.read(size)
        except (OSError, ValueError, OverflowError):
            return b""


def find_cpu(uc: Any, handle: int) -> int:
    """Address of the engine's CPU object, verified by its back-pointers and by planted register values."""
    names = [
        getattr(unicorn.x86_const, f"UC_X86_REG_{n}")
        for n in ["RAX", "RCX", "RDX", "RBX", "RSP", "RBP", "RSI", "RDI"]
    ]
    names += [unicorn.x86_const.UC_X86_REG_R8 + i for i in range(8)]
    seed = random.getrandbits(62)
    magic = [(seed + i * 0x1001) & (1 << 64) - 1 for i in range(16)]
    for name, value in zip(names, magic, strict=True):
        uc.reg_write(name, value)
    cpu = int.from_bytes(_peek(handle + L.UC_CPU, 8), "little")
    expected = {
        L.CPU_ENV_PTR: struct.pack("<Q", cpu + L.ENV),
        L.CPU_UC: struct.pack("<Q", handle),
        L.ENV + L.ENV_UC: struct.pack("<Q", handle),
        L.ENV: struct.pack("<16Q", *magic),
    }
    found = all(_peek(cpu + at, len(held)) == held for at, held in expected.items())
    for name in names:
        uc.reg_write(name, 0)
    if not found:
        raise UnsupportedEngine("unicorn's CPU state is not where version 2.1.4 keeps it")
    return cpu
