"""Hypercalls on the virtual processor: traps, callbacks, segments, stack, timers, scheduling."""

from __future__ import annotations

from hardware_model.canonical import is_canonical
from hardware_model.deprivileged import Deprivileged
from hardware_model.machine import End, Machine
from techniques.paravirtual import abi
from techniques.paravirtual.abi import (
    Errno,
    HypercallError,
    SchedOp,
    SegmentBase,
    VcpuOp,
)
from techniques.paravirtual.continuation import Continuation
from techniques.paravirtual.domain import Domain
from techniques.paravirtual.event_poll import PORTS_MAXIMUM
from techniques.paravirtual.page_tables import fixed_descriptor
from techniques.paravirtual.page_types import FrameType
from techniques.paravirtual.virtual_cpu import Callback

_CR0_TS = 8
_CALLBACK_REGISTER, _CALLBACK_UNREGISTER = 0, 1
_CALLBACK_MASKS_EVENTS = 1


class ProcessorHypercalls:
    """The calls of one domain that concern its only virtual processor."""

    def __init__(self, machine: Machine, domain: Domain) -> None:
        self._machine = machine
        self._domain = domain
        self._memory = domain.memory
        self._cpu = domain.cpu

    # --- entry points -------------------------------------------------------------------------------
    def set_trap_table(self, table: int, *_: int) -> int:
        """Records (vector, flags, CS, address) up to one with address 0; a null table: no handlers."""
        if not table:
            self._cpu.traps.clear()
            return 0
        first = table
        while True:
            if table != first and self._domain.preemption.due():
                raise Continuation(table)
            vector, flags, address = self._memory.unpack("BB6xQ", table)
            if not address:
                return 0
            self._check_address(address)
            masks = bool(flags & abi.TRAP_INTERRUPT_GATE)
            self._cpu.traps[vector] = Callback(address, masks, flags & abi.TRAP_PRIVILEGE)
            if vector == abi.DIRECT_TRAP_VECTOR:
                self._set_direct_gate(address, flags)
            table += 16

    def _set_direct_gate(self, address: int, flags: int) -> None:
        """The programs' system-call gate leads straight to a kernel at CPL 1.

        Not if it is to mask events, which the processor cannot do: such a gate stays with Xen.
        """
        if not self._domain.direct_traps:
            return
        direct = not flags & abi.TRAP_INTERRUPT_GATE
        if direct:
            self._domain.mappings.set_gate(
                abi.DIRECT_TRAP_VECTOR, address, flags & abi.TRAP_PRIVILEGE
            )
        Deprivileged(self._machine).direct_gate(abi.DIRECT_TRAP_VECTOR if direct else None)

    @staticmethod
    def _check_address(address: int) -> None:
        if not is_canonical(address) or abi.HYPERVISOR_START <= address < abi.HYPERVISOR_END:
            raise HypercallError(Errno.EINVAL, f"{address:#x} is no address of the guest")

    def set_callbacks(self, event: int, failsafe: int, system_call: int, *_: int) -> int:
        """Entry points of events, failures and system calls."""
        for address in (event, failsafe, system_call):
            self._check_address(address)
        callbacks = self._cpu.callbacks
        callbacks[abi.CALLBACK_EVENT] = Callback(event, True)
        callbacks[abi.CALLBACK_FAILSAFE] = Callback(failsafe, False)
        callbacks[abi.CALLBACK_SYSCALL] = Callback(system_call, False)
        return 0

    def callback_op(self, command: int, argument: int, *_: int) -> int:
        """Register one entry point: (type, flags, address). Of those it may leave, the event's always masks events."""
        kind, flags = self._memory.unpack("HH", argument)
        if command == _CALLBACK_UNREGISTER:
            if kind in (abi.CALLBACK_EVENT, abi.CALLBACK_FAILSAFE, abi.CALLBACK_SYSCALL):
                raise HypercallError(Errno.EINVAL, "this callback cannot be unregistered")
            return 0
        if command != _CALLBACK_REGISTER:
            raise HypercallError(Errno.ENOSYS, f"callback_op {command}")
        (address,) = self._memory.unpack("Q", argument + 8)
        self._check_address(address)
        masks = kind == abi.CALLBACK_EVENT or bool(flags & _CALLBACK_MASKS_EVENTS)
        self._cpu.callbacks[kind] = Callback(address, masks)
        return 0

    def stack_switch(self, segment: int, pointer: int, *_: int) -> int:
        """The stack on which traps from user mode start."""
        self._cpu.kernel_stack = (segment & 0xFFFF | 3, pointer)
        if self._domain.direct_traps:
            self._domain.mappings.set_ring1_stack(pointer)
        return 0

    # --- segments -----------------------------------------------------------------------------------
    def set_gdt(self, frames: int, entries: int, *_: int) -> int:
        """Use the listed frames as descriptor table."""
        if entries > abi.GDT_ENTRIES_MAXIMUM:
            raise HypercallError(Errno.EINVAL, f"{entries} descriptors are too many")
        count = -(-entries // 512)
        mfns = list(self._memory.unpack(f"{count}Q", frames)) if count else []
        with self._domain.types.all_or_nothing():
            self._take_descriptor_frames(mfns)
        for old in self._domain.gdt_frames:
            self._domain.types.put_page_and_type(old)
        self._domain.gdt_frames = mfns
        self._domain.mappings.set_gdt_frames(mfns)
        self._machine.flush_tlb()
        return 0

    def _take_descriptor_frames(self, mfns: list[int]) -> None:
        types = self._domain.types
        for place, mfn in enumerate(mfns):
            try:
                types.get_page_and_type(mfn, FrameType.SEGMENT_DESCRIPTORS)
            except HypercallError:
                for earlier in mfns[:place]:
                    types.put_page_and_type(earlier)
                raise

    def update_descriptor(self, address: int, descriptor: int, *_: int) -> int:
        """Store a descriptor at a machine address."""
        if address & 7:
            raise HypercallError(Errno.EINVAL, f"{address:#x} is not aligned")
        fixed, types = fixed_descriptor(descriptor), self._domain.types
        mfn = address >> 12
        types.get_page(mfn)
        try:
            frame = types[mfn]
            if frame.type is FrameType.SEGMENT_DESCRIPTORS and frame.type_count:
                self._machine.memory.write64(address, fixed)
            else:
                self._domain.tables.with_writable(
                    mfn, lambda: self._machine.memory.write64(address, fixed)
                )
        finally:
            types.put_page(mfn)
        return 0

    def set_segment_base(self, which: int, base: int, *_: int) -> int:
        """Base of FS, of GS in the mode that runs, or of the user's GS."""
        if which == SegmentBase.GS_USER_SELECTOR:
            base = self._selected_base(base & 0xFFFF)
            which = SegmentBase.GS_USER
        if not is_canonical(base):
            raise HypercallError(Errno.EINVAL, f"{base:#x} is not canonical")
        registers = self._machine.registers
        match which:
            case SegmentBase.FS | SegmentBase.GS_KERNEL:
                name = "fs" if which == SegmentBase.FS else "gs"
                registers.set_segment(name, registers.segment(name)._replace(base=base))
            case SegmentBase.GS_USER:
                self._cpu.user_gs_base = base
            case _:
                raise HypercallError(Errno.EINVAL, f"there is no segment base {which}")
        return 0

    def _selected_base(self, selector: int) -> int:
        """The base that a data segment's selector stands for: that of its descriptor, 0 for the null selector."""
        raw = None if selector & 4 or selector < 4 else self._domain.mappings.descriptor(selector)
        if raw is None:
            return 0
        descriptor = int.from_bytes(raw, "little")
        return descriptor >> 16 & 0xFFFFFF | descriptor >> 32 & 0xFF000000

    # --- FPU and debug registers --------------------------------------------------------------------
    def fpu_taskswitch(self, set_it: int, *_: int) -> int:
        """Set or clear CR0.TS."""
        cr0 = self._machine.registers.cr(0)
        self._machine.processor.load_cr(0, cr0 | _CR0_TS if set_it else cr0 & ~_CR0_TS)
        return 0

    def set_debugreg(self, number: int, value: int, *_: int) -> int:
        """Store a debug register; breakpoints are not armed, so enabling one is refused."""
        if number not in (0, 1, 2, 3, 6, 7) or (number == 7 and value & 0xFF):
            raise HypercallError(Errno.EINVAL, f"debug register {number} cannot be {value:#x}")
        self._machine.registers.set_dr(number, value)
        return 0

    def get_debugreg(self, number: int, *_: int) -> int:
        """A debug register."""
        return self._machine.registers.dr(number) if 0 <= number < 8 else 0

    # --- time and scheduling ------------------------------------------------------------------------
    def set_timer_op(self, deadline: int, *_: int) -> int:
        """A timer event at this system time in nanoseconds; 0: none."""
        self._domain.clock.arm(deadline or None)
        return 0

    def vcpu_op(self, command: int, vcpu: int, argument: int, *_: int) -> int:
        """State and registration of virtual processor 0."""
        if vcpu:
            raise HypercallError(Errno.ENOENT, "there is no virtual processor but the first")
        match command:
            case VcpuOp.IS_UP:
                return 1
            case VcpuOp.SET_SINGLESHOT_TIMER:
                self._arm_once(*self._memory.unpack("QI", argument))
            case VcpuOp.GET_RUNSTATE_INFO:
                self._domain.runstate.store(argument)
            case VcpuOp.REGISTER_RUNSTATE_AREA:
                (area,) = self._memory.unpack("Q", argument)
                self._domain.runstate.register(area)
            case VcpuOp.REGISTER_VCPU_TIME_AREA:
                (area,) = self._memory.unpack("Q", argument)
                self._memory.write(area, self._domain.shared.clock_record())
            case VcpuOp.STOP_SINGLESHOT_TIMER:
                self._domain.clock.arm(None)
            case VcpuOp.SET_PERIODIC_TIMER:
                self._domain.periodic.start(*self._memory.unpack("Q", argument))
            case VcpuOp.STOP_PERIODIC_TIMER:
                self._domain.periodic.stop()
            case VcpuOp.REGISTER_VCPU_INFO:
                mfn, offset = self._memory.unpack("QI", argument)
                if offset + abi.VCPU_INFO_BYTES > abi.PAGE:
                    raise HypercallError(Errno.EINVAL, "vcpu_info would cross a page")
                self._move_vcpu_info(mfn, offset)
            case _:
                raise HypercallError(Errno.ENOSYS, f"vcpu_op {command}")
        return 0

    def _arm_once(self, deadline: int, flags: int) -> None:
        if flags & abi.SINGLESHOT_FUTURE and deadline < self._domain.clock.now:
            raise HypercallError(Errno.ETIME, f"{deadline} has passed")
        self._domain.clock.arm(deadline)

    def _move_vcpu_info(self, mfn: int, offset: int) -> None:
        types = self._domain.types
        types.get_page_and_type(mfn, FrameType.WRITABLE)
        try:
            self._domain.shared.move_vcpu((mfn << 12) + offset)
        except HypercallError:
            types.put_page_and_type(mfn)
            raise

    def sched_op(self, command: int, argument: int, *_: int) -> int:
        """Yield, block until an event, or shut down."""
        match command:
            case SchedOp.YIELD:
                return 0
            case SchedOp.BLOCK:
                self._domain.shared.masked = False
                self._domain.block()
                return 0
            case SchedOp.POLL:
                self._poll(*self._memory.unpack("QI4xQ", argument))
                return 0
            case SchedOp.SHUTDOWN:
                (reason,) = self._memory.unpack("I", argument)
                self._domain.shutdown_reason = reason & 0xFF
                self._machine.end(End.EXITED)
                return 0
        raise HypercallError(Errno.ENOSYS, f"sched_op {command}")

    def _poll(self, ports: int, count: int, timeout: int) -> None:
        """Block until one of `count` channels is pending, whether masked or not, or until system time `timeout`."""
        if count > PORTS_MAXIMUM:
            raise HypercallError(Errno.EINVAL, f"{count} event channels to poll")
        numbers = self._memory.unpack(f"{count}I", ports) if count else ()
        for port in numbers:
            self._domain.events.check(port)
        self._domain.block_on(numbers, timeout or None)
