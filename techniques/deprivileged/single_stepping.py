"""Single-step traps of instructions that the VMM performed (Intel SDM vol. 3B section 17.3.1.4)."""

from __future__ import annotations

from iced_x86 import Instruction, Mnemonic

from techniques.deprivileged.exceptions import DEBUG, GuestException
from techniques.deprivileged.virtual_cpu import TF, VirtualCpu

_BS = 1 << 14
_RETURNS = (Mnemonic.SYSRET, Mnemonic.SYSRETQ)


def performed(cpu: VirtualCpu, instruction: Instruction, *, steps: bool) -> None:
    """An instruction that began with TF as `steps` was performed; SYSRET traps by the TF that it has loaded.

    SYSCALL does so too, as part of its own handling. Raises #DB.
    """
    mnemonic = instruction.mnemonic
    if mnemonic in _RETURNS:
        trap(cpu, cpu.rflags)
    elif steps and mnemonic != Mnemonic.SYSCALL:
        trap(cpu, TF)


def trap(cpu: VirtualCpu, flags: int) -> None:
    """Raise #DB if TF is set in `flags`."""
    if flags & TF:
        cpu.debug[6] |= _BS
        raise GuestException(DEBUG)
