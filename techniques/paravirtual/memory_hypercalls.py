"""Hypercalls on memory: mmu_update, mmuext_op, update_va_mapping, memory_op (Xen public header `xen.h`)."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from hardware_model import counters as counter_table
from hardware_model.canonical import is_canonical
from hardware_model.machine import Machine
from techniques.paravirtual import abi
from techniques.paravirtual.abi import Errno, HypercallError, MemoryOp, MmuExt, MmuUpdate, UvmFlag
from techniques.paravirtual.continuation import Continuation
from techniques.paravirtual.domain import Domain
from techniques.paravirtual.page_types import FrameType

_MMU_UPDATES = counter_table.index("pv.mmu_update_entry")
_MMUEXT = counter_table.index("pv.mmuext_entry")
_PINS, _UNPINS = counter_table.index("pv.pin"), counter_table.index("pv.unpin")
_ROOTS = counter_table.index("pv.root_switch")
_FLUSHES, _INVLPG = counter_table.index("pv.tlb_flush"), counter_table.index("pv.invlpg")
_PREEMPTED = 1 << 31  # flag in a count: the call was interrupted and continues


class MemoryHypercalls:
    """The calls of one domain that change its page tables or ask about its memory."""

    def __init__(self, machine: Machine, domain: Domain) -> None:
        self._machine = machine
        self._memory = machine.memory
        self._counts = machine.counters.data
        self._domain = domain
        self._types = domain.types
        self._tables = domain.tables
        self._extended: dict[int, Callable[[int, int], None]] = {
            MmuExt.PIN_L1_TABLE: lambda mfn, _: self._pin(mfn, FrameType.L1),
            MmuExt.PIN_L2_TABLE: lambda mfn, _: self._pin(mfn, FrameType.L2),
            MmuExt.PIN_L3_TABLE: lambda mfn, _: self._pin(mfn, FrameType.L3),
            MmuExt.PIN_L4_TABLE: lambda mfn, _: self._pin(mfn, FrameType.L4),
            MmuExt.UNPIN_TABLE: self._unpin,
            MmuExt.NEW_BASEPTR: self._new_kernel_root,
            MmuExt.NEW_USER_BASEPTR: self._new_user_root,
            MmuExt.TLB_FLUSH_LOCAL: lambda *_: self.flush(),
            MmuExt.TLB_FLUSH_MULTI: lambda *_: self.flush(),
            MmuExt.TLB_FLUSH_ALL: lambda *_: self.flush(),
            MmuExt.INVLPG_LOCAL: lambda linear, _: self._invalidate(linear),
            MmuExt.INVLPG_MULTI: lambda linear, _: self._invalidate(linear),
            MmuExt.INVLPG_ALL: lambda linear, _: self._invalidate(linear),
            MmuExt.FLUSH_CACHE: self._flush_cache,
            MmuExt.SET_LDT: self._set_ldt,
            MmuExt.CLEAR_PAGE: self._clear_page,
            MmuExt.COPY_PAGE: self._copy_page,
        }

    # --- mmu_update ---------------------------------------------------------------------------------
    def mmu_update(self, requests: int, count: int, done: int, domain: int, *_: int) -> int:
        """Process requests (pointer | kind, value) in order until one fails."""
        self._domain.require_table_owner(domain)

        def one(at: int) -> None:
            self._counts[_MMU_UPDATES] += 1
            self._update(*self._domain.memory.unpack("QQ", at))

        return self._each(requests, 16, count, done, one)

    def _each(
        self, requests: int, size: int, count: int, done: int, one: Callable[[int], None]
    ) -> int:
        """Do `one` for each request of `size` bytes until one fails; the count done is stored at `done`.

        Continuation with those that are left, and a flag in their count, if it is to be interrupted.
        """
        earlier = self._done_earlier(done) if count & _PREEMPTED else 0
        count &= _PREEMPTED - 1
        for number in range(count):
            at = requests + size * number
            if number and self._domain.preemption.due():
                self._store_done(done, earlier + number)
                raise Continuation(at, (count - number) | _PREEMPTED)
            try:
                one(at)
            except HypercallError as error:
                self._domain.rejected(error)
                self._store_done(done, earlier + number)
                return -error.errno
        self._store_done(done, earlier + count)
        return 0

    def _done_earlier(self, done: int) -> int:
        with contextlib.suppress(HypercallError):
            return self._domain.memory.unpack("I", done)[0] if done else 0
        return 0

    def _store_done(self, done: int, completed: int) -> None:
        """As in Xen, a pointer that cannot be written to does not spoil the call."""
        if done:
            with contextlib.suppress(HypercallError):
                self._domain.memory.pack("I", done, completed & 0xFFFFFFFF)

    def _update(self, pointer: int, value: int) -> None:
        kind, address = pointer & 3, pointer & ~7
        if kind == MmuUpdate.MACHPHYS:
            self._domain.set_m2p(pointer >> 12, value)
        elif kind in (MmuUpdate.NORMAL, MmuUpdate.PRESERVE_AD):
            preserve = kind == MmuUpdate.PRESERVE_AD
            self._tables.update(address, value, preserve_ad=preserve)
        else:
            raise HypercallError(Errno.ENOSYS, f"mmu_update of kind {kind}")

    def update_va_mapping(self, linear: int, value: int, flags: int, *_: int) -> int:
        """Change the level-1 entry of a linear address in the current address space."""
        address = None
        if is_canonical(linear):
            address = self._domain.memory.entry_address(self._domain.cpu.kernel_root, linear)
        if address is None or not self._domain.is_table(address >> 12, FrameType.L1):
            raise HypercallError(Errno.EINVAL, f"no page table maps {linear:#x}")
        self._tables.change(1, address, value)
        match flags & 3:
            case UvmFlag.TLB_FLUSH:
                self.flush()
            case UvmFlag.INVLPG:
                self._invalidate(linear)
        return 0

    # --- mmuext_op ----------------------------------------------------------------------------------
    def mmuext_op(self, operations: int, count: int, done: int, domain: int, *_: int) -> int:
        """Process extended operations (command, argument 1, argument 2) in order until one fails."""
        self._domain.require_self(domain)

        def one(at: int) -> None:
            self._counts[_MMUEXT] += 1
            command, first, second = self._domain.memory.unpack("I4xQQ", at)
            action = self._extended.get(command)
            if action is None:
                raise HypercallError(Errno.ENOSYS, f"mmuext_op command {command}")
            action(first, second)

        return self._each(operations, 24, count, done, one)

    def _pin(self, mfn: int, kind: FrameType) -> None:
        self._types.pin(mfn, kind)
        self._counts[_PINS] += 1

    def _unpin(self, mfn: int, _: int) -> None:
        self._types.unpin(mfn)
        self._counts[_UNPINS] += 1

    def _new_kernel_root(self, mfn: int, _: int) -> None:
        cpu = self._domain.cpu
        self._counts[_ROOTS] += 1
        if mfn << 12 != cpu.kernel_root:
            self._types.get_page_and_type(mfn, FrameType.L4)
            old, cpu.kernel_root = cpu.kernel_root, mfn << 12
            self._machine.processor.load_cr(3, cpu.kernel_root)
            self._types.put_page_and_type(old >> 12)
        self._machine.flush_tlb()
        self._types.flushed()

    def _new_user_root(self, mfn: int, _: int) -> None:
        cpu = self._domain.cpu
        if mfn << 12 == cpu.user_root:
            return
        if mfn:
            self._types.get_page_and_type(mfn, FrameType.L4)
        old, cpu.user_root = cpu.user_root, mfn << 12
        if old:
            self._types.put_page_and_type(old >> 12)

    def flush(self) -> None:
        """The guest asks for its translations to be forgotten."""
        self._counts[_FLUSHES] += 1
        self._machine.flush_tlb()
        self._types.flushed()

    def _invalidate(self, linear: int) -> None:
        self._counts[_INVLPG] += 1
        self._machine.invalidate_page(linear)

    def _flush_cache(self, *_: int) -> None:
        raise HypercallError(Errno.EACCES, "the domain has no devices that would need it")

    def _set_ldt(self, linear: int, entries: int) -> None:
        if entries:
            raise HypercallError(Errno.EINVAL, "this hypervisor has no LDT for its guests")

    def _clear_page(self, mfn: int, _: int) -> None:
        self._tables.with_writable(mfn, lambda: self._memory.zero_page(mfn << 12))

    def _copy_page(self, mfn: int, source: int) -> None:
        self._types.get_page(source)
        try:
            content = self._memory.read(source << 12, abi.PAGE)
            self._tables.with_writable(mfn, lambda: self._memory.write(mfn << 12, content))
        finally:
            self._types.put_page(source)

    # --- memory_op ----------------------------------------------------------------------------------
    def memory_op(self, command: int, argument: int, *_: int) -> int:
        """Questions about memory. The reservation cannot change."""
        domain = self._domain
        match command & 0x3F:
            case MemoryOp.CURRENT_RESERVATION | MemoryOp.MAXIMUM_RESERVATION:
                domain.require_self(domain.memory.unpack("H", argument)[0])
                return domain.pages
            case MemoryOp.MAXIMUM_RAM_PAGE:
                return domain.machine_frames - 1
            case MemoryOp.MACHPHYS_MAPPING:
                end = abi.M2P + 8 * domain.machine_frames
                domain.memory.pack("QQQ", argument, abi.M2P, end, domain.machine_frames - 1)
                return 0
            case MemoryOp.MEMORY_MAP:
                room, buffer = domain.memory.unpack("I4xQ", argument)
                if room:
                    domain.memory.pack("QQI", buffer, 0, domain.pages * abi.PAGE, 1)
                domain.memory.pack("I", argument, min(room, 1))
                return 0
        raise HypercallError(Errno.ENOSYS, f"memory_op {command}")
