"""Start-up self-test: a few instructions whose outcome depends on every internal that `layout` names.

Runs once in a process, on a small engine of its own; a wrong outcome refuses the build with one sentence.
"""

from __future__ import annotations

from functools import cache

from hardware_model import counters as counter_table
from hardware_model.executor import layout as L
from hardware_model.executor import words as W
from hardware_model.executor.build import UnsupportedEngine
from hardware_model.executor.engine import Engine
from hardware_model.executor.registers import Segment
from hardware_model.executor.words import Event, Intercept, Mode, Stop
from hardware_model.mmu import state as mmu_state
from hardware_model.mmu.geometry import NEHALEM

_RAM = 1 << 20
_CODE, _IDT, _GDT, _STACK = 0x8000, 0x3000, 0x4000, 0x7000
_HANDLER = 0x9000
_CUT_AT = 5
# nop x8; mov ax, 0x5a58; mov ds, ax (#GP 0x5a58); cpuid; hlt
_PROGRAM = bytes.fromhex("909090909090909066b8585a8ed80fa2f4")
_FAULT_AT, _SKIP = _CODE + 12, 2


class _Probe:
    """Runs the program and notes what came by."""

    def __init__(self) -> None:
        mmu = mmu_state.new(NEHALEM)
        mmu[mmu_state.Word.RAM_BYTES] = _RAM
        self.engine = Engine(_RAM, mmu, counter_table.new())
        self.ticks: list[int] = []
        self.intercepts: list[tuple[int, int]] = []
        self._load()

    def _load(self) -> None:
        ram = self.engine.ram64
        ram[0x1000 >> 3] = 0x2003
        ram[0x2000 >> 3] = 0x5003
        ram[0x5000 >> 3] = 0x83  # one 2 MiB page
        ram[(_GDT >> 3) + 1] = 0x00AF9B000000FFFF
        ram[(_GDT >> 3) + 2] = 0x00CF93000000FFFF
        gate = _IDT + 16 * 13
        ram[gate >> 3] = (_HANDLER & 0xFFFF) | 8 << 16 | 0x8E << 40 | (_HANDLER >> 16) << 48
        self.engine.write_code_safe(_CODE, _PROGRAM)
        self.engine.write_code_safe(_HANDLER, bytes.fromhex("5b48830424" + f"{_SKIP:02x}" + "48cf"))

    def run(self) -> None:
        """Execute until HLT."""
        r = self.engine.registers
        r.set_segment("cs", Segment(8, 0, 0xFFFFFFFF, 0x00AF9B00))
        r.set_segment("ss", Segment(16, 0, 0xFFFFFFFF, 0x00CF9300))
        r.set_table("gdtr", _GDT, 0x17)
        r.set_table("idtr", _IDT, 0xFFF)
        r.gpr[4], r.rip = _STACK, _CODE
        for number, value in ((0, 0x80010033), (4, 0x6A0), (3, 0x1000)):
            self.engine.set_cr(number, value)
        self.engine.words[W.DEADLINE] = _CUT_AT
        self.engine.words[W.MODE] = Mode.BARE
        self.engine.run(self._on_event)

    def _on_event(self, kind: int) -> int:
        words = self.engine.words
        if kind == Event.TICK:
            self.ticks.append(int(words[W.CLOCK]))
            words[W.DEADLINE] = 1 << 63
        elif kind == Event.INSTRUCTION:
            self.intercepts.append((int(words[W.EVENT_CODE]), self.engine.registers.rip))
            return 1
        elif kind == Event.HALT:
            self.engine.stop(Stop.REQUESTED)
        return 0


@cache
def check() -> None:
    """UnsupportedEngine names the first observation that is not as version 2.1.4 gives it."""
    probe = _Probe()
    probe.run()
    engine = probe.engine
    observations = {
        "block cut at the deadline": (probe.ticks, [_CUT_AT]),
        "error code of #GP": (int(engine.registers.gpr[3]), 0x5A58),
        "CPUID intercept": (probe.intercepts, [(Intercept.CPUID, _FAULT_AT - 2 + _SKIP + 2)]),
        "retired instructions": (int(engine.words[W.CLOCK]), len("nop" * 8) // 3 + 1 + 3 + 2),
        "processor state": (engine.registers.rip, _CODE + len(_PROGRAM)),
        "vector of the last exception": (
            int(engine.counters[counter_table.index("exception.gp")]),
            1,
        ),
    }
    for what, (seen, expected) in observations.items():
        if seen != expected:
            raise UnsupportedEngine(
                f"unicorn {L.SUPPORTED_VERSION} does not behave as expected: {what} is {seen}, not {expected}"
            )
