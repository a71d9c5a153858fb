"""The guest's model-specific registers: its own, but for the segment bases, which are the processor's."""

from __future__ import annotations

from typing import Protocol

from hardware_model import msrs
from hardware_model.executor.registers import Registers
from hardware_model.msrs import Msr

_SEGMENT_BASE = {Msr.FS_BASE: "fs", Msr.GS_BASE: "gs"}


class TimeStamp(Protocol):
    """What has the time-stamp counter that the guest's RDTSC reads."""

    time_stamp: int


class VirtualMsrs:
    """RDMSR and WRMSR by the declared table. `processor` has the time-stamp counter."""

    def __init__(self, registers: Registers, processor: TimeStamp) -> None:
        self._registers = registers
        self._processor = processor
        self._values = msrs.reset_values()

    def read(self, number: int) -> int | None:
        """Value of an MSR; None means #GP(0)."""
        if number in _SEGMENT_BASE:
            return self._registers.segment(_SEGMENT_BASE[Msr(number)]).base
        if number == Msr.TIME_STAMP_COUNTER:
            return self._processor.time_stamp
        return self._values.get(number)

    def write(self, number: int, value: int) -> bool:
        """Store an MSR; False means #GP(0)."""
        if not msrs.check_write(number, value):
            return False
        if number in _SEGMENT_BASE:
            self._set_base(_SEGMENT_BASE[Msr(number)], value)
        elif number == Msr.TIME_STAMP_COUNTER:
            self._processor.time_stamp = value
        else:
            self._values[number] = msrs.written(number, self._values[number], value)
        return True

    def __getitem__(self, number: Msr) -> int:
        return self._values[number]

    def __setitem__(self, number: Msr, value: int) -> None:
        self._values[number] = value

    def swap_gs(self) -> None:
        """SWAPGS."""
        base = self._registers.segment("gs").base
        self._set_base("gs", self._values[Msr.KERNEL_GS_BASE])
        self._values[Msr.KERNEL_GS_BASE] = base

    def _set_base(self, name: str, base: int) -> None:
        self._registers.set_segment(name, self._registers.segment(name)._replace(base=base))
