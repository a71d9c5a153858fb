"""Code that runs from one page into the next: what the processor executes before it needs the second page.

The engine translates up to a branch before it executes anything. A processor executes the instructions
before the page's end first, and only the one that lies in or reaches into the next page can fault there.
"""

from __future__ import annotations

import numpy as np
from iced_x86 import Code, Decoder

from hardware_model.executor import words as W
from hardware_model.executor.engine import Engine
from hardware_model.mmu import probe
from hardware_model.mmu.access import translate
from hardware_model.mmu.state import Kind, Status, Word

_PAGE = 4096


def instructions_before(engine: Engine) -> int:
    """Instructions from RIP on that lie wholly in RIP's page, if the page of EVENT_LINEAR cannot be fetched from.

    0 if it can, or if the very first instruction reaches into it.
    """
    if _fetchable(engine, int(engine.words[W.EVENT_LINEAR])):
        return 0
    rip = engine.registers.rip
    status, start = probe.probe(engine.ram64, engine.mmu, np.uint64(rip))
    if status != Status.OK or int(start) >= engine.ram_bytes:
        return 0
    code = engine.ram[int(start) : (int(start) | _PAGE - 1) + 1].tobytes()
    return sum(instruction.code != Code.INVALID for instruction in Decoder(64, code, ip=rip))


def _fetchable(engine: Engine, linear: int) -> bool:
    """Whether a fetch would succeed; tried on copies of the caches, so that it leaves no trace."""
    mmu, counters = engine.mmu.copy(), engine.counters.copy()
    user = engine.registers.cpl == 3
    status = translate(engine.ram64, mmu, counters, np.uint64(linear), int(Kind.FETCH), user, False)
    return bool(status == Status.OK and int(mmu[Word.OUT_PA]) < engine.ram_bytes)
