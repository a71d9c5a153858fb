"""What the VMM does when a check of the fence finds an address out of bounds.

An address of the other half only shows that the check looked at the wrong side: the unit is translated again with the
one for both. One in the VMM's slot must have the effect that it has natively, where nothing is mapped there. An
instruction that is copied is run once while the VMM's pages there are not present, so that the processor itself finds
whatever comes of it, and in the right order. The sequence of one that is not copied needs these pages; its accesses
are looked up in the guest's tables in their order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from iced_x86 import Instruction, MemorySizeExt, OpAccess, Register

from hardware_model.deprivileged import Deprivileged
from hardware_model.executor import words as W
from hardware_model.executor.words import Intercept
from techniques.binary_translation import counts as counted
from techniques.binary_translation.builder import RDX, UnitBuilder, fits_signed
from techniques.binary_translation.copying import encode, free_register, number_of
from techniques.binary_translation.fence import Check, Fence
from techniques.binary_translation.layout import VmmPages
from techniques.binary_translation.translator import is_copied
from techniques.binary_translation.unit import Callout, Kind, Unit
from techniques.binary_translation.uses import INFO, WRITES, Place
from techniques.deprivileged.exceptions import INVALID_OPCODE, PAGE_FAULT, GuestException
from techniques.shadow.guest_walk import LOAD, SMAP_LIFTED, STORE

if TYPE_CHECKING:
    from techniques.binary_translation.vmm import BinaryTranslation

_MASK = (1 << 64) - 1
Used = list[tuple[int, int]]


_BOUND = Intercept.EXCEPTION + 5


class FenceHits:
    """`fence` is None if there is none. `closed`: of the VMM's pages in its slot only translated code is present."""

    def __init__(
        self, vmm: BinaryTranslation, processor: Deprivileged, tables: int, fence: Fence | None
    ) -> None:
        self._vmm = vmm
        self._processor = processor
        self.fence = fence
        self._pages = VmmPages(vmm.machine.memory, vmm.shadow.window.root_entry, tables)
        self._counts = vmm.bt_counts
        self.closed = self._wanted = False

    def moved(self) -> None:
        """The VMM's slot is where its window is now."""
        if self.fence is not None:
            self.fence.move(self._vmm.shadow.window.base)

    def left(self) -> None:
        """Translated code was left."""
        self._vmm.tables.are_closed = self.closed
        if self.closed:
            self.closed = False
            self._pages.open()
            self._vmm.machine.flush_tlb()

    def entering(self) -> None:
        """Translated code is about to run."""
        if self.fence is None:
            return
        self._vmm.page.store_fence(self.fence.end)
        if self._wanted:
            self._wanted, self.closed = False, True
            self._pages.close()
            self._vmm.machine.flush_tlb()

    def trusts(self, unit: Unit, rip: int) -> bool:
        """Whether what the unit has checked before `rip` holds now."""
        return self.fence is None or self.fence.trusts(unit.trusts[rip])

    @property
    def holds_stack(self) -> bool:
        """Whether RSP points to the VMM's slot, so that instructions are run one by one."""
        return self.fence is not None and self.fence.holds_stack

    def took(self, unit: Unit, address: int, used: Used) -> bool:
        """The check at `address` of the cache may have failed. The guest's registers are its own; `used` are those of
        translated code in their place. False if something else happened there.
        """
        vmm, check = self._vmm, unit.fences[address]
        event = vmm.machine.words[W.EVENT_CODE]
        if event == _BOUND:
            self._processor.trap()  # which counts it
        elif address in unit.callouts and event == Intercept.EXCEPTION + INVALID_OPCODE:
            self._counts[counted.CALLOUTS] += 1
            self._counts[counted.BY_KIND[Kind.FENCED]] += 1
        else:
            return False
        if vmm.makes_way():
            return True
        vmm.performed_for(lambda: self._failed(unit, check, address, used))
        return True

    def _failed(self, unit: Unit, check: Check, address: int, used: Used) -> None:
        assert self.fence is not None
        rip, place = self._vmm.machine.registers.rip, check.place
        if place is None and check.done:
            self._vmm.callouts.emulate(check.instruction)
            return
        if place is not None and not check.either and self.fence.address(place) not in self.fence:
            self._counts[counted.FENCE_RELAXED] += 1
            self.fence.relax(rip)
            self._vmm.translate_again(unit)
            return
        self._counts[counted.FENCE_HIT] += 1
        if check.done:  # the instructions that follow are run one by one
            return
        if is_copied(check.instruction):
            self._run_closed(check.instruction, rip)
            return
        fault = (
            self._table_fault(dict(used)[RDX]) if check.table else self._fault(check.instruction)
        )
        if fault is not None:
            raise fault
        self._vmm.go_on_at(address + check.size, used)

    def _run_closed(self, instruction: Instruction, rip: int) -> None:
        vmm = self._vmm
        vmm.make_room()
        builder = UnitBuilder(rip, vmm.cache.next)
        builder.begin(rip)
        at, used = builder.address, self._copy(builder, instruction)
        builder.guest = instruction.next_ip
        builder.call(Callout(Kind.FENCED), tuple(number for number, _ in used))
        unit = builder.finish()
        unit.valid = False  # it is not entered again
        vmm.cache.place(unit, findable=False)
        vmm.go_on_at(at, used)
        self._wanted = True

    def _copy(self, builder: UnitBuilder, instruction: Instruction) -> Used:
        """The instruction without a use of the state page; registers that the VMM has to load for it."""
        moved = instruction.copy()
        used: Used = []
        if instruction.is_ip_rel_memory_operand:
            target = instruction.ip_rel_memory_address
            moved.memory_base = Register.NONE
            moved.memory_displacement, moved.memory_displ_size = target, 8
            if not fits_signed(target):
                scratch = free_register(instruction)
                moved.memory_base = scratch
                moved.memory_displacement, moved.memory_displ_size = 0, 0
                number = number_of(scratch)
                self._vmm.page.save(number, int(self._vmm.machine.registers.gpr[number]))
                used = [(number, target)]
        code = encode(moved, builder.address)
        builder.raw(code, 1, tuple(number for number, _ in used))
        return used

    def _table_fault(self, linear: int) -> GuestException | None:
        """The page fault of loading a descriptor."""
        found = self._vmm.shadow.walker.walk(linear, LOAD | SMAP_LIFTED)
        return GuestException(PAGE_FAULT, found, linear) if isinstance(found, int) else None

    def _fault(self, instruction: Instruction) -> GuestException | None:
        """The page fault of the first access that reaches the VMM's slot, or of one before it."""
        vmm = self._vmm
        assert self.fence is not None
        lifted = SMAP_LIFTED if vmm.machine.registers.alignment_check else 0
        for memory in INFO.info(instruction).used_memory():
            if memory.access == OpAccess.NO_MEM_ACCESS:
                continue
            place = Place(Register.NONE, memory.base, memory.index, memory.scale)
            if memory.segment in (Register.FS, Register.GS):
                place = place._replace(segment=memory.segment)
            first = self.fence.address(place) + memory.displacement & _MASK
            last = first + max(MemorySizeExt.size(memory.memory_size), 1) - 1 & _MASK
            for linear in (first, last & ~0xFFF):
                if linear != first and linear >> 12 == first >> 12:
                    continue
                kind = STORE if memory.access in WRITES else LOAD
                found = vmm.shadow.walker.walk(linear, kind | lifted)
                if isinstance(found, int):
                    return GuestException(PAGE_FAULT, found, linear)
        return None
