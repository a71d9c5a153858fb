"""The virtual processor of a PV guest: user and kernel mode, both at CPL 3, and the frames of traps on its stack.

A trap is passed on ("bounced") by switching to the guest's kernel root and stack and pushing, from the top:

    SS  RSP  RFLAGS (IF = events were not masked)  CS | saved event mask << 32  RIP  [error code]  R11  RCX

The kernel's CS is shown with RPL 0, so that the guest can tell its own mode from the user's.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from hardware_model import counters as counter_table
from hardware_model.executor.registers import Segment
from hardware_model.machine import Machine
from techniques.paravirtual import abi
from techniques.paravirtual.abi import HypercallError
from techniques.paravirtual.guest_segments import (
    FLAT_CODE,
    FLAT_DATA,
    GuestSegments,
    SegmentFault,
)
from techniques.paravirtual.linear_memory import LinearMemory
from techniques.paravirtual.shared_info import SharedInfo
from techniques.technique import GuestError

_MODE_SWITCHES = counter_table.index("pv.mode_switch")
_UPCALLS = counter_table.index("pv.upcall")
_SYSCALLS = counter_table.index("pv.syscall_bounced")
_EXCEPTIONS = counter_table.index("pv.exception_bounced")
CODE, DATA = FLAT_CODE, FLAT_DATA
_RCX, _RSP, _R11 = 1, 4, 11
IF, _FIXED = 0x200, 0x2
_CLEARED_ON_ENTRY = 0x100 | 0x4000 | 0x10000 | 0x20000 | 0x40000  # TF NT RF VM AC
_IOPL_VM = 0x3000 | 0x20000
_PAGE_FAULT_USER = 4
_MASK = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class Callback:
    """A registered entry point; `masks`: entering it masks events; `privilege`: who may enter it by INT n (1, 3)."""

    address: int
    masks: bool
    privilege: int = 0


class VirtualCpu:
    """Registers that only the virtual processor has; the others are live in the machine's processor."""

    def __init__(
        self,
        machine: Machine,
        memory: LinearMemory,
        shared: SharedInfo,
        segments: GuestSegments,
    ) -> None:
        self._machine = machine
        self._registers = machine.registers
        self._counts = machine.counters.data
        self._memory = memory
        self._segments = segments
        self.shared = shared
        self._kernel_mode = True
        self.kernel_root = 0
        self.user_root = 0  # 0: none
        self.kernel_stack = (abi.FLAT_DATA, 0)
        self.user_gs_base = 0  # of the mode that does not run: SWAPGS's other half
        self.traps: dict[int, Callback] = {}
        self.callbacks: dict[int, Callback] = {}

    # --- modes --------------------------------------------------------------------------------------
    @property
    def kernel_mode(self) -> bool:
        """Whether the guest's kernel runs, not a program."""
        return self._kernel_mode

    def toggle_mode(self) -> None:
        """Between kernel and user mode: the other root, without losing global translations, and the other GS."""
        self._counts[_MODE_SWITCHES] += 1
        self._kernel_mode = not self._kernel_mode
        gs = self._registers.segment("gs")
        self._registers.set_segment("gs", gs._replace(base=self.user_gs_base))
        self.user_gs_base = gs.base
        root = self.kernel_root if self.kernel_mode else self.user_root
        self._machine.processor.load_cr(3, root)

    def _enter_kernel(self) -> int:
        """Switch to kernel mode if need be; the stack pointer that the frame starts from."""
        if self.kernel_mode:
            return self._registers.gpr[_RSP] & ~15
        self.toggle_mode()
        return self.kernel_stack[1] & ~15

    # --- passing traps on ---------------------------------------------------------------------------
    def bounce(self, to: Callback, rip: int, error: int | None = None) -> None:
        """Have the guest kernel enter `to` as if the trap had happened at `rip`."""
        r = self._registers
        masked = self.shared.masked
        flags = r.rflags
        frame = self._frame(rip, error, masked, flags)
        pointer = self._enter_kernel() - 8 * len(frame) & _MASK
        try:
            self._memory.write(pointer, struct.pack(f"<{len(frame)}Q", *frame))
        except HypercallError:
            raise GuestError(
                f"the guest kernel's stack at {pointer:#x} cannot be written"
            ) from None
        r.gpr[_RSP] = pointer
        r.rip = to.address
        self._load_kernel_segments()
        r.rflags = flags & ~_CLEARED_ON_ENTRY | IF
        if to.masks:
            self.shared.masked = True

    def _frame(self, rip: int, error: int | None, masked: bool, flags: int) -> tuple[int, ...]:
        """What the kernel finds on its stack, from the lowest address on."""
        r = self._registers
        gpr = r.gpr
        errors = () if error is None else (error,)
        return (
            *(gpr[_RCX], gpr[_R11], *errors, rip),
            *(self._shown_code() | masked << 32, flags & ~IF | (0 if masked else IF)),
            *(gpr[_RSP], r.selector("ss")),
        )

    def _shown_code(self) -> int:
        code = self._registers.selector("cs")
        return code & ~3 if self.kernel_mode else code

    def _load_kernel_segments(self) -> None:
        self._load_segments(CODE, DATA)

    def _load_segments(self, code: Segment, data: Segment) -> None:
        self._registers.set_segment("cs", code)
        self._registers.set_segment("ss", data)

    def exception(self, vector: int, error: int | None, address: int = 0) -> None:
        """Pass an exception on; GuestError if the guest has registered no handler."""
        handler = self.traps.get(vector)
        rip = self._registers.rip
        if handler is None:
            raise GuestError(
                f"exception {vector} at RIP {rip:#x}, for which the guest has no handler"
            )
        if vector == 14 and error is not None:
            self.shared.store_cr2(address)
            error = error & ~_PAGE_FAULT_USER | (0 if self.kernel_mode else _PAGE_FAULT_USER)
        self._counts[_EXCEPTIONS] += 1
        self.bounce(handler, rip, error)

    def system_call(self, rip: int) -> None:
        """Pass a user program's SYSCALL on; `rip` is behind it."""
        entry = self.callbacks.get(abi.CALLBACK_SYSCALL)
        if entry is None:
            raise GuestError(f"system call at {rip - 2:#x} before the guest had set a callback")
        self._counts[_SYSCALLS] += 1
        gpr = self._registers.gpr
        gpr[_RCX], gpr[_R11] = rip, self._registers.rflags
        self.bounce(entry, rip)

    def deliver_events(self) -> None:
        """Make the upcall if an event is pending and not masked."""
        entry = self.callbacks.get(abi.CALLBACK_EVENT)
        if entry is None or not self.shared.wants_upcall:
            return
        self._counts[_UPCALLS] += 1
        self.bounce(entry, self._registers.rip)

    # --- the iret hypercall -------------------------------------------------------------------------
    def interrupt_return(self) -> None:
        """Return through the frame on the guest's stack: RAX R11 RCX flags RIP CS RFLAGS RSP SS."""
        r = self._registers
        try:
            frame = self._memory.unpack("9Q", r.gpr[_RSP])
        except HypercallError:
            raise GuestError(
                f"iret with the stack at {int(r.gpr[_RSP]):#x}, which cannot be read"
            ) from None
        rax, r11, rcx, flags, rip, code, rflags, rsp, data = frame
        if code & 3 == 3:
            if not self.user_root:
                raise GuestError("the guest returned to user mode without a user root")
            self.toggle_mode()
        in_syscall = flags & abi.VGCF_IN_SYSCALL
        r.gpr[0] = rax
        r.gpr[_RCX], r.gpr[_R11] = (rip, rflags) if in_syscall else (rcx, r11)
        r.gpr[_RSP] = rsp
        r.rip = rip
        r.rflags = rflags & ~_IOPL_VM & 0xFFFFFFFF | IF | _FIXED
        self.shared.masked = not rflags & IF
        self._return_to_segments(code & 0xFFFC | 3, data & 0xFFFC | 3)

    def _return_to_segments(self, code: int, data: int) -> None:
        """Those that the processor would not load are the guest's exception, at the place that it returned to."""
        try:
            self._load_segments(*self._segments.returned_to(code, data))
        except SegmentFault as fault:
            self._load_segments(CODE._replace(selector=code), DATA._replace(selector=data))
            self.exception(fault.vector, fault.error)
