"""Answer 3: `stack_switch`."""

from __future__ import annotations

from techniques.paravirtual.processor_hypercalls import ProcessorHypercalls


def stack_switch(calls: ProcessorHypercalls, segment: int, pointer: int, *_: int) -> int:
    """The selector of 16 bits gets RPL 3, the level of the guest's kernel."""
    calls._cpu.kernel_stack = (segment & 0xFFFF | 3, pointer)
    return 0
