"""The fence: bounds checks before the loads and stores of translated code, as segment limits made them in 32-bit mode.

What translated code itself must load and store lies beside the guest in supervisor pages, and 64-bit mode has no
segment limits. BNDCL and BNDCU (Intel SDM vol. 1 chapter 17) change neither flags nor registers, and raise #BR if an
address is out of bounds. A register that a memory operand names is checked where a unit uses it first, and again where
the unit uses it after having changed it; a displacement of 32 bits cannot lead across the fenced slots. RSP is checked
where it is loaded instead: PUSH, POP, CALL and RET touch what they move it across, and the guest has nothing in these
slots. While it points there all the same, because user code or an IRET has put it there, instructions run one by one.

    BND0  above the slots: what a kernel in the upper half mostly uses
    BND1  below them: the same for the lower half
    BND2  either, for the address less the slots' end, which makes both one range: where the others were wrong once,
          and for operands relative to FS or GS, whose bases lie on the state page
    BND3  bit numbers of BT, BTC, BTR and BTS: 64-bit ones lead anywhere
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from iced_x86 import (
    Code,
    Instruction,
    MemoryOperand,
    Mnemonic,
    OpKind,
    Register,
    RegisterExt,
)

from hardware_model.executor.bounds import padded_check
from techniques.binary_translation.builder import UnitBuilder, fits_signed
from techniques.binary_translation.copying import encode, free_register, name_of, number_of
from techniques.binary_translation.unit import Callout, Kind
from techniques.binary_translation.uses import STACK, Place, Uses

if TYPE_CHECKING:
    from hardware_model.machine import Machine

SLOT_BYTES = 1 << 39
_MASK = (1 << 64) - 1
_BIT_LIMIT = 1 << 33
_ABOVE, _BELOW, _EITHER, _BIT = range(4)
CALLOUT_BYTES = 2
_CHECKS = (
    (Code.BNDCL_BND_RM64, Register.BND0),
    (Code.BNDCU_BND_RM64, Register.BND1),
    (Code.BNDCU_BND_RM64, Register.BND2),
    (Code.BNDCU_BND_RM64, Register.BND3),
)
_BASES = {Register.FS: "fence_fs", Register.GS: "fence_gs"}
_BIT_STRINGS = frozenset({Mnemonic.BT, Mnemonic.BTC, Mnemonic.BTR, Mnemonic.BTS})


class Check(NamedTuple):
    """A check of translated code for an instruction, `size` bytes long; `either`: the one that is always right.

    `place` is None where the displacement alone leads to the VMM's slot, and where a sequence loads a descriptor
    (`table`) or IRET the stack pointer. `done`: the instruction has loaded RSP already.
    """

    instruction: Instruction
    place: Place | None
    either: bool
    size: int
    table: bool = False
    done: bool = False


class Fence:
    """Where the VMM's slot lies: `end` is the address behind it.

    The slot below is fenced too, and the guest has nothing there, so that a string instruction or POP cannot get into
    the VMM's from there.
    """

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self.end = 0
        self._either: set[int] = set()

    def move(self, base: int) -> None:
        """The VMM's slot is the 512 GiB from `base` on."""
        self.end = base + SLOT_BYTES & _MASK
        begin = self.end - 2 * SLOT_BYTES & _MASK
        self._allowed = begin - self.end & _MASK
        self._either.clear()
        self._machine.load_supervisor_bounds(
            (self.end, _MASK),
            (0, begin - 1),
            (0, self._allowed - 1),
            (0, _BIT_LIMIT),
        )

    def __contains__(self, linear: int) -> bool:
        """Whether a check must have found `linear` out of bounds."""
        return linear - self.end & _MASK >= self._allowed

    def relax(self, rip: int) -> None:
        """The instruction at `rip` goes to the other half as well."""
        self._either.add(rip)

    @property
    def holds_stack(self) -> bool:
        """Whether RSP points to the slots now."""
        return self._machine.registers.gpr[4] - self.end & _MASK >= self._allowed

    def address(self, place: Place) -> int:
        """What a check of `place` looks at now."""
        registers, (segment, base, along, scale, _) = self._machine.registers, place
        total = 0
        if segment != Register.NONE:
            total += registers.segment_base("fs" if segment == Register.FS else "gs")
        if base != Register.NONE:
            total += registers.gpr[RegisterExt.number(base)]
        if along != Register.NONE:
            total += registers.gpr[RegisterExt.number(along)] * scale
        return total & _MASK

    def trusts(self, places: frozenset[Place]) -> bool:
        """Whether all of these would pass their checks."""
        for place in places:
            if place == STACK:
                if self.holds_stack:
                    return False
            elif place.bit:
                if self.address(place) > _BIT_LIMIT:
                    return False
            elif self.address(place) in self:
                return False
        return True

    def guard(self, builder: UnitBuilder, instruction: Instruction, uses: Uses) -> None:
        """Emit the checks that the instruction's memory operands want."""
        for place, displacement in uses.memory:
            if place is None:
                if displacement in self:
                    self._refuse(builder, instruction)
            elif not fits_signed(displacement):
                self._refuse(builder, instruction)
            elif place not in builder.checked:
                self._check(builder, instruction, place)
        if instruction.mnemonic in _BIT_STRINGS and instruction.op0_kind == OpKind.MEMORY:
            self._check_bit(builder, instruction)

    def check_new_stack(
        self, builder: UnitBuilder, instruction: Instruction, saved: tuple[int, ...]
    ) -> None:
        """In a sequence of IRET: RCX is what RSP will be."""
        code, bounds = _CHECKS[_ABOVE if builder.guest >= self.end else _BELOW]
        bounded = Instruction.create_reg_mem(code, bounds, MemoryOperand(Register.RCX))
        made = encode(bounded, builder.address)
        builder.fences[builder.address] = Check(instruction, None, True, len(made), done=True)
        builder.raw(made, saved=saved)

    def _refuse(self, builder: UnitBuilder, instruction: Instruction) -> None:
        builder.fences[builder.address] = Check(instruction, None, True, CALLOUT_BYTES)
        builder.call(Callout(Kind.FENCED))

    def _check_bit(self, builder: UnitBuilder, instruction: Instruction) -> None:
        number = instruction.op1_register
        if instruction.op1_kind != OpKind.REGISTER or RegisterExt.size(number) != 8:
            return
        place = Place(Register.NONE, number, bit=True)
        if place not in builder.checked:
            self._emit(builder, instruction, place, _BIT, MemoryOperand(number))

    def _check(
        self, builder: UnitBuilder, instruction: Instruction, place: Place, *, done: bool = False
    ) -> None:
        if place.segment != Register.NONE or builder.guest in self._either:
            self._check_either(builder, instruction, place, done=done)
            return
        side = _ABOVE if builder.guest >= self.end else _BELOW
        self._emit(builder, instruction, place, side, _operand(place), done=done)

    def _check_either(
        self, builder: UnitBuilder, instruction: Instruction, place: Place, *, done: bool
    ) -> None:
        scratch = free_register(instruction)
        name, number = name_of(scratch), number_of(scratch)
        saved, field = (number,), _BASES.get(place.segment, "fence")
        builder.emit(f"mov {{gpr{number}}}, {name}")
        builder.emit(f"mov {name}, {{{field}}}", saved=saved)
        base, index = place.base, place.along
        operand = MemoryOperand(base, scratch)
        if index != Register.NONE:
            if base != Register.NONE:
                add = Instruction.create_reg_mem(Code.LEA_R64_M, scratch, operand)
                builder.raw(encode(add, builder.address), saved=saved)
            operand = MemoryOperand(scratch, index, place.scale)
        elif base == Register.NONE:
            operand = MemoryOperand(scratch)
        self._emit(builder, instruction, place, _EITHER, operand, saved, done=done)
        builder.emit(f"mov {name}, {{gpr{number}}}", saved=saved)

    @staticmethod
    def _emit(
        builder: UnitBuilder,
        instruction: Instruction,
        place: Place,
        check: int,
        operand: MemoryOperand,
        saved: tuple[int, ...] = (),
        *,
        done: bool = False,
    ) -> None:
        code, bounds = _CHECKS[check]
        bounded = Instruction.create_reg_mem(code, bounds, operand)
        made = padded_check(encode(bounded, builder.address))
        builder.fences[builder.address] = Check(
            instruction, place, check >= _EITHER, len(made), done=done
        )
        builder.raw(made, saved=saved)
        builder.checked.add(place)

    def follow(
        self, builder: UnitBuilder, instruction: Instruction, uses: Uses, *, goes_on: bool
    ) -> None:
        """The instruction may have changed registers that were checked; if RSP was, it is checked again."""
        changed = uses.changed
        if changed:
            builder.checked = {
                place
                for place in builder.checked
                if place.base not in changed and place.along not in changed
            }
        if goes_on and Register.RSP in changed:
            builder.guest, builder.shadow = instruction.next_ip, False
            self._check(builder, instruction, STACK, done=True)


def _operand(place: Place) -> MemoryOperand:
    return MemoryOperand(place.base, place.along, place.scale)


def check_table(builder: UnitBuilder, instruction: Instruction) -> None:
    """In a sequence of LAR, LSL, VERR or VERW: the guest's descriptor at RDX is about to be loaded into RBX."""
    if builder.fence is not None:
        saved = (0, 1, 2, 3)
        builder.emit("mov rbx, {fence}", saved=saved)
        operand = MemoryOperand(Register.RDX, Register.RBX)
        check = Instruction.create_reg_mem(Code.BNDCU_BND_RM64, Register.BND2, operand)
        made = padded_check(encode(check, builder.address))
        builder.fences[builder.address] = Check(instruction, None, True, len(made), table=True)
        builder.raw(made, saved=saved)
