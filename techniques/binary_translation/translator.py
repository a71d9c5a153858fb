"""The translator: from guest code, read as the guest's processor would fetch it, to a unit."""

from __future__ import annotations

from collections.abc import Callable

from iced_x86 import Code, Decoder, DecoderError, FlowControl, Instruction

from hardware_model.memory import MachineMemory
from techniques.binary_translation import control_flow, sensitive
from techniques.binary_translation.builder import UnitBuilder
from techniques.binary_translation.copying import copy
from techniques.binary_translation.fence import Fence
from techniques.binary_translation.state_reads import Translate
from techniques.binary_translation.unit import Unit
from techniques.binary_translation.uses import STACK, uses_of
from techniques.deprivileged.exceptions import (
    PAGE_FAULT,
    GuestException,
    general_protection,
    invalid_opcode,
)
from techniques.guest import GuestMemory
from techniques.shadow.guest_walk import FETCH, GuestTranslation, GuestWalker

UNIT_INSTRUCTIONS = 12
LONGEST = 15
LONG_UNIT, UNIT_BYTES = 1024, 2048
"""A unit of more than `LONG_UNIT` bytes of code takes no further instruction; none takes `UNIT_BYTES`."""

_PAGE = 0x1000
_UNDEFINED = b"\x0f\x0b"


class Source:
    """Guest code by linear address. `walker` walks the guest's tables in `memory`; `refuse` is told of other places.

    `beyond` is read, by machine address, where the guest has no memory; None: nothing is.
    """

    def __init__(
        self, memory: GuestMemory, walker: GuestWalker, refuse: Callable[[int], None]
    ) -> None:
        self._memory = memory
        self._walker = walker
        self._refuse = refuse
        self.beyond: MachineMemory | None = None

    def frame(self, linear: int) -> int:
        """Guest frame that the kernel may fetch `linear` from; raises the fault that the fetch causes."""
        return self.walk(linear).gpa >> 12

    def walk(self, linear: int) -> GuestTranslation:
        """As `frame`, with the tables that the walk went through."""
        if (linear + (1 << 47)) >> 48 not in (0, 1 << 16):
            raise general_protection()
        found = self._walker.walk(linear, FETCH)
        if isinstance(found, int):
            raise GuestException(PAGE_FAULT, found, linear)
        if found.gpa >= self._memory.size and self.beyond is None:
            self._refuse(found.gpa)
            raise invalid_opcode()  # the bus reads ones there, which are no instruction
        return found

    def entry(self, table: int, index: int) -> int:
        """Entry `index` of the guest's page table in frame `table`."""
        return (
            self._memory.read64(table << 12 | index << 3) if table << 12 < self._memory.size else 0
        )

    def read(self, frame: int, offset: int, size: int) -> bytes:
        """`size` bytes of a frame."""
        address = frame << 12 | offset
        if self.beyond is not None and address >= self._memory.size:
            return self.beyond.read(address, size)
        return self._memory.read(address, size)


class Translator:
    """Translates units from `source`, with checks for `fence` if there is one."""

    def __init__(self, source: Source, fence: Fence | None = None) -> None:
        self._source = source
        self._fence = fence
        self.open_ports = False  # whether the guest has ports that need no VMM

    def translate(self, rip: int, entry: int, *, single: bool = False) -> Unit:
        """The unit for guest code at `rip`, to stand at linear address `entry`.

        With `single`, of one instruction only. Raises GuestException if the guest cannot fetch its first instruction.
        """
        frame = self._source.frame(rip)
        offset = rip & _PAGE - 1
        room = min(_PAGE - offset, UNIT_INSTRUCTIONS * LONGEST)
        code = self._source.read(frame, offset, room)
        pages = [(rip >> 12, frame)]
        if room < LONGEST and needs_more(code, rip):
            code = self._crossing(rip, code, pages)
        builder = UnitBuilder(rip, entry, open_ports=self.open_ports, fence=self._fence)
        if self._fence is not None and not (single and self._fence.holds_stack):
            builder.checked.add(STACK)
        used = self._instructions(builder, rip, code, single or len(pages) > 1)
        unit = builder.finish()
        unit.pages = tuple(pages)
        unit.source = _extent(frame, offset, used, pages)
        return unit

    def _crossing(self, rip: int, code: bytes, pages: list[tuple[int, int]]) -> bytes:
        """The first instruction may go on in the next page."""
        following = (rip & -_PAGE) + _PAGE & (1 << 64) - 1
        frame = self._source.frame(following)
        pages.append((following >> 12, frame))
        return code + self._source.read(frame, 0, LONGEST)

    def _instructions(self, builder: UnitBuilder, rip: int, code: bytes, single: bool) -> int:
        """Translate up to the unit's end; the number of source bytes used."""
        decoder = Decoder(64, code, ip=rip)
        used, shadow, open_end = 0, False, True
        while open_end and used < len(code):
            full = builder.instructions >= UNIT_INSTRUCTIONS or builder.size > LONG_UNIT
            if (full or (single and builder.instructions)) and not shadow:
                break
            instruction = decoder.decode()
            if instruction.code == Code.INVALID and needs_more(code[used:], rip + used):
                break
            if instruction.code == Code.INVALID:
                instruction = Instruction()
                size = 1
            else:
                size = instruction.len
            builder.begin(rip + used, shadow=shadow)
            open_end = self._one(builder, instruction, code[used : used + size])
            shadow = sensitive.holds_off_interrupts(instruction) and not shadow
            used += size
        if open_end:
            builder.guest = rip + used
            builder.jump(rip + used, 0)
        return used

    def _one(self, builder: UnitBuilder, instruction: Instruction, code: bytes) -> bool:
        """Translate one instruction; whether the unit goes on behind it."""
        if instruction.code == Code.INVALID:
            builder.raw(_UNDEFINED, 1)
            return False
        fence, ends = self._fence, control_flow.ends_unit(instruction)
        found = None if ends else sensitive.rule(instruction)
        if fence is None:
            return self._translation(builder, instruction, code, ends, found)
        uses = uses_of(instruction, code)
        if not sensitive.is_callout(
            found
        ):  # which the VMM performs, going through the guest's tables
            fence.guard(builder, instruction, uses)
            builder.checks_end()
        goes_on = self._translation(builder, instruction, code, ends, found)
        fence.follow(builder, instruction, uses, goes_on=goes_on)
        return goes_on

    @staticmethod
    def _translation(
        builder: UnitBuilder,
        instruction: Instruction,
        code: bytes,
        ends: bool,
        found: Translate | None,
    ) -> bool:
        if ends:
            control_flow.translate(builder, instruction, code)
            return False
        if found is not None:
            return found(builder, instruction)
        if (
            instruction.flow_control in _VIRTUALIZATION
            or instruction.mnemonic in sensitive.UNDEFINED
        ):
            builder.raw(_UNDEFINED, 1)
            return False
        copy(builder, instruction, code)
        return instruction.flow_control != FlowControl.EXCEPTION


def is_copied(instruction: Instruction) -> bool:
    """Whether the instruction's translation is itself."""
    return not (
        control_flow.ends_unit(instruction)
        or sensitive.rule(instruction)
        or instruction.flow_control in _VIRTUALIZATION
        or instruction.mnemonic in sensitive.UNDEFINED
    )


_VIRTUALIZATION = (FlowControl.CALL, FlowControl.RETURN, FlowControl.UNCONDITIONAL_BRANCH)


def needs_more(code: bytes, rip: int) -> bool:
    """Whether `code`, cut off at a page's end, may be the beginning of an instruction."""
    if len(code) >= LONGEST:
        return False
    decoder = Decoder(64, code, ip=rip)
    return (
        decoder.decode().code == Code.INVALID and decoder.last_error == DecoderError.NO_MORE_BYTES
    )


def _extent(
    frame: int, offset: int, used: int, pages: list[tuple[int, int]]
) -> tuple[tuple[int, int], ...]:
    here = min(used, _PAGE - offset)
    parts = [(frame << 12 | offset, here)]
    if used > here:
        parts.append((pages[1][1] << 12, used - here))
    return tuple(parts)
