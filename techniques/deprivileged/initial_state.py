"""The registers that a boot protocol gives the guest, as the processor has them: ring 0 moved to ring 1."""

from __future__ import annotations

from hardware_model.boot import CpuState
from hardware_model.executor.registers import Registers, Segment
from techniques.deprivileged.segmentation import compressed_flags
from techniques.deprivileged.virtual_cpu import KERNEL_RING, VirtualCpu


def load(registers: Registers, cpu: VirtualCpu, state: CpuState) -> None:
    """Load segments, ring and flags of `state`."""
    for name in ("es", "ds", "fs", "gs", "ss", "cs"):
        segment = state.code if name == "cs" else state.data
        selector = segment.selector | (KERNEL_RING if name in ("cs", "ss") else 0)
        flags = compressed_flags(segment.flags, dpl=0)
        registers.set_segment(name, Segment(selector, segment.base, segment.limit, flags))
    registers.cpl = KERNEL_RING
    cpu.load_flags(state.rflags, 0)
