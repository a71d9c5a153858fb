"""Exercise 3: the hypercall `stack_switch(ss, esp)`.

The ported kernel runs at CPL 3, so no TSS of its own tells the processor where its stack is. Before it runs another
process it says so to the hypervisor, which loads that stack when the process enters the kernel (Xen public header
`xen.h`).

You need: `calls._cpu.kernel_stack`, a pair (selector, pointer). With which RPL must the selector be kept, given the
level at which the guest's kernel runs? What does a hypercall return that went well?
"""

from __future__ import annotations

from techniques.paravirtual.processor_hypercalls import ProcessorHypercalls


def stack_switch(calls: ProcessorHypercalls, segment: int, pointer: int, *_: int) -> int:
    """The guest named the stack on which traps from user mode start."""
    raise NotImplementedError("fill me in")
