"""Emulation of the instructions that trap in a deprivileged kernel, each as the processor would at CPL 0.

`HANDLERS` maps iced-x86 codes to functions of the VMM and the decoded instruction. A handler raises
GuestException for the fault that the guest takes instead; otherwise it retires the instruction. User
code's instructions come here too: the handlers check privilege as the processor does.
"""

from techniques.deprivileged.instructions.table import HANDLERS, Handler

__all__ = ["HANDLERS", "Handler"]
