"""The virtual processor in the style of 32-bit Xen: kernel at CPL 1, programs at CPL 3 in the same address space.

The page tables' supervisor bit keeps the kernel from its programs, so there is one root, and no other GS: a kernel at
CPL 1 cannot execute SWAPGS and does not use GS. Frames are the processor's own, whether it or Xen has written them:

    SS  RSP  RFLAGS (from Xen: IF = events were not masked)  CS | from Xen: saved event mask << 32  RIP  [error code]
"""

from __future__ import annotations

from hardware_model.executor.registers import Segment
from techniques.paravirtual import abi
from techniques.paravirtual.abi import Errno, HypercallError
from techniques.paravirtual.virtual_cpu import IF, VirtualCpu

CODE = Segment(abi.FLAT_RING1_CODE64, 0, 0xFFFFFFFF, 0x00AFBB00)
DATA = Segment(abi.FLAT_RING1_DATA, 0, 0xFFFFFFFF, 0x00CFB300)
_RSP = 4
KERNEL_RING = 1


class Ring1Cpu(VirtualCpu):
    """Kernel and user mode are the processor's own privilege levels."""

    @property
    def kernel_mode(self) -> bool:
        """Whether the guest's kernel runs, not a program."""
        return self._registers.cpl == KERNEL_RING

    def _enter_kernel(self) -> int:
        if self.kernel_mode:
            return self._registers.gpr[_RSP] & ~15
        return self.kernel_stack[1] & ~15

    def _frame(self, rip: int, error: int | None, masked: bool, flags: int) -> tuple[int, ...]:
        r = self._registers
        errors = () if error is None else (error,)
        code = r.selector("cs") | masked << 32
        shown = flags & ~IF | (0 if masked else IF)
        return (*errors, rip, code, shown, r.gpr[_RSP], r.selector("ss"))

    def _load_kernel_segments(self) -> None:
        self._load_segments(CODE, DATA)
        self._registers.cpl = KERNEL_RING

    def interrupt_return(self) -> None:
        """A kernel at CPL 1 executes IRET."""
        raise HypercallError(Errno.ENOSYS, "hypercall iret of a kernel at CPL 1")
