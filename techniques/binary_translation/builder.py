"""Building of one unit: code, time map, marks and exits grow together."""

from __future__ import annotations

from array import array
from functools import cache, lru_cache
from typing import TYPE_CHECKING

from iced_x86 import Instruction

from techniques.binary_translation.layout import IN_SLOT, STATE
from techniques.binary_translation.templates import template
from techniques.binary_translation.unit import Callout, Exit, Kind, Mark, Unit

if TYPE_CHECKING:
    from techniques.binary_translation.fence import Check, Fence
    from techniques.binary_translation.uses import Place

_CALLOUT = "ud2"
_MASK = (1 << 64) - 1
RAX, RCX, RDX, RBX, RSP = range(5)


_NOTHING: frozenset[Place] = frozenset()


@lru_cache(1 << 12)
def _shared(places: frozenset[Place]) -> frozenset[Place]:
    """The same set for the same content."""
    return places


@cache
def _time(units: int, size: int) -> bytes:
    return bytes([units]) + bytes(size - 1)


_BOTH = (RAX, RCX)
_AT_ENTRY, _MISS = Mark(None, _BOTH), Callout(Kind.MISS)

BETWEEN_UNITS, EXIT = 0x80, 0x40
"""In the time map: nothing retires, and the guest stands between two instructions; a unit is left."""


def fits_signed(value: int) -> bool:
    """Whether 64-bit `value` is a sign-extended 32-bit number."""
    return (value + (1 << 31)) & _MASK < 1 << 32


@lru_cache(1 << 12)
def _entry_check(rip: int) -> list[tuple[bytes, Mark]]:
    """Instructions that jump over the callout behind them if RCX is `rip`, and the guest's state at each."""
    steps: list[tuple[str, int, int]] = []  # text, value, bias of RCX before it
    if fits_signed(-rip & _MASK) and fits_signed(rip):
        steps = [
            ("lea rcx, [rcx + #]", -rip, 0),
            ("", 0, -rip),
            ("lea rcx, [rcx + #]", rip, -rip),
        ]
    else:
        wide, add = "movabs rax, #", "lea rcx, [rcx + rax]"
        steps = [(wide, -rip, 0), (add, 0, 0), ("", 0, -rip), (wide, rip, -rip), (add, 0, -rip)]
    codes = [template(text).at(0, 0, value) if text else b"" for text, value, _ in steps]
    hit = codes.index(b"")
    skipped = sum(len(code) for code in codes[hit + 1 :]) + len(template(_CALLOUT).code)
    codes[hit] = bytes([0xE3, skipped])  # jrcxz
    return [
        (code, Mark(None, _BOTH, bias) if bias else _AT_ENTRY)
        for code, (_, _, bias) in zip(codes, steps, strict=True)
    ]


class UnitBuilder:
    """Emits the translation of guest code from `rip` on at linear address `entry`.

    `address` is where the next instruction will stand; `fence`: what loads and stores are checked for.
    """

    def __init__(
        self, rip: int, entry: int, *, open_ports: bool = False, fence: Fence | None = None
    ) -> None:
        self.fence = fence
        self.guest = rip
        self.open_ports = open_ports  # whether there are ports that need no VMM
        self._start = rip
        self._entry = entry
        self._state = (entry >> 39 << 39) + IN_SLOT + STATE
        self._code = bytearray()
        self._time = bytearray()
        self._places: array[int] = array("H")
        self._marks: list[Mark] = []
        self._mark: tuple[object, ...] = ()
        self._emitted = 0
        self._callouts: dict[int, Callout] = {}
        self._exits: list[Exit] = []
        self._starts: dict[int, int] = {}
        self.accesses: dict[int, int] = {}
        self.fences: dict[int, Check] = {}
        self.checked: set[Place] = set()
        self._trusts: dict[int, frozenset[Place]] = {}
        self._trusted: frozenset[Place] = _NOTHING
        self._leaps: list[int] = []
        self.shadow = False
        self.flags_in_rax = False
        self.instructions = 0
        self.address = entry
        self._indirect_entry()
        self._body = self.address

    def begin(self, rip: int, *, shadow: bool = False) -> None:
        """The translation of the guest instruction at `rip` begins."""
        self.guest = rip
        self.shadow = shadow
        self._starts[rip] = self.address
        if self.checked != self._trusted:
            self._trusted = _shared(frozenset(self.checked))
        self._trusts[rip] = self._trusted
        self.instructions += 1

    def checks_end(self) -> None:
        """The instruction's access stands behind the checks for it, if there are any."""
        if self.address != self._starts[self.guest]:
            self.accesses[self.guest] = self.address

    def raw(self, code: bytes, units: int = 0, saved: tuple[int, ...] = ()) -> int:
        """Emit one instruction; with it `units` guest instructions retire. Returns its address."""
        at = self.address
        mark = self.guest, saved, 0, self.shadow, self.flags_in_rax
        if mark != self._mark:
            self._mark = mark
            self._places.append(at - self._entry)
            self._marks.append(Mark(*mark))
        self._append(code, units)
        return at

    def _append(self, code: bytes, units: int = 0) -> None:
        size = len(code)
        self._code += code
        self._time += _time(units, size)
        self.address += size
        self._emitted += 1

    def emit(self, text: str, value: int = 0, units: int = 0, saved: tuple[int, ...] = ()) -> int:
        """Emit the template `text` patched with `value`; otherwise as `raw`."""
        return self.raw(template(text).at(self.address, self._state, value), units, saved)

    @property
    def size(self) -> int:
        """Bytes emitted so far."""
        return len(self._code)

    def branch(self, condition: int, saved: tuple[int, ...]) -> int:
        """A branch forward within an instruction's translation, by the second opcode byte of its Jcc;
        `land` says where to.
        """
        return self.raw(bytes([0x0F, condition, 0, 0, 0, 0]), saved=saved) + 2

    def leap(self, condition: int, saved: tuple[int, ...]) -> None:
        """A branch to where the next `land` without a branch of its own will be."""
        self._leaps.append(self.branch(condition, saved))

    def land(self, branch: int | None = None) -> None:
        """A branch, or all leaps, lead here."""
        for site in self._leaps if branch is None else (branch,):
            self._patch(site, self.address)
        if branch is None:
            self._leaps.clear()

    def land_short(self, at: int) -> None:
        """The two-byte jump at `at` leads here."""
        self._code[at - self._entry + 1] = self.address - at - 2

    def call(self, callout: Callout, saved: tuple[int, ...] = ()) -> None:
        """Call the VMM, which spends no time of the guest's."""
        self._callouts[self.address] = callout
        self.emit(_CALLOUT, saved=saved)

    def callout(
        self, kind: Kind, instruction: Instruction | None = None, saved: tuple[int, ...] = ()
    ) -> None:
        """Call the VMM. An instruction that it performs must find its time left, though it is the
        VMM that spends it.
        """
        self._callouts[self.address] = Callout(kind, instruction)
        self.emit(_CALLOUT, units=int(instruction is not None), saved=saved)

    def jump(
        self, target: int, units: int, opcode: bytes = b"\xe9", *, counted: bool = True
    ) -> None:
        """Jump to guest address `target`, by a JMP or Jcc with a 32-bit displacement.

        Of a Jcc and the JMP behind it only one is `counted`, for together they are left once.
        """
        at = self.raw(opcode + bytes(4), (units or BETWEEN_UNITS) | EXIT * counted)
        self._exits.append(Exit(target & _MASK, at + len(opcode), 0))

    def indirect(self, units: int = 1) -> None:
        """Jump to the guest address in RCX; RAX and RCX are saved on the state page."""
        saved = (RAX, RCX)
        self.emit("mov rax, {lookup}", saved=saved)
        self.emit("mov ax, cx", saved=saved)
        self.emit("jmp qword ptr [rax*8]", units=units, saved=saved)

    def await_window(self, following: int, *, shadow: bool) -> None:
        """The guest may have set IF: call out if an interrupt waits. Guest RIP is `following`."""
        self.guest, self.shadow = following, shadow
        self.emit("mov {gpr1}, rcx")
        self.emit("mov rcx, {pending}", saved=(RCX,))
        self.raw(b"\xe3\x02", saved=(RCX,))  # jrcxz over the callout
        self.callout(Kind.WINDOW, saved=(RCX,))
        self.emit("mov rcx, {gpr1}", saved=(RCX,))

    def _indirect_entry(self) -> None:
        """Check that the address in RCX is this unit's; restore RAX and RCX."""
        for code, mark in _entry_check(self._start):
            self._enter_mark(mark)
            self._append(code, BETWEEN_UNITS)
        self._callouts[self.address] = _MISS
        self._enter_mark(_AT_ENTRY)
        self._append(template(_CALLOUT).code, BETWEEN_UNITS)
        self.emit("mov rcx, {gpr1}", saved=_BOTH)
        self.emit("mov rax, {gpr0}", saved=(RAX,))

    def _enter_mark(self, mark: Mark) -> None:
        if not self._marks or mark != self._marks[-1]:
            self._places.append(self.address - self._entry)
            self._marks.append(mark)

    def finish(self) -> Unit:
        """Add the exits' stubs; the unit."""
        for way in self._exits:
            self.guest, self.shadow = way.target, False
            way.stub = self.address
            self._callouts[way.stub] = Callout(Kind.LINK, exit=way)
            self.emit(_CALLOUT, units=BETWEEN_UNITS)
            self._patch(way.site, way.stub)
        return Unit(
            self._start,
            self._entry,
            self._body,
            len(self._code),
            bytes(self._code),
            bytes(self._time),
            self._emitted,
            self._places,
            tuple(self._marks),
            self._callouts,
            self._exits,
            self._starts,
            self.instructions,
            self.accesses,
            self.fences,
            self._trusts,
        )

    def _patch(self, site: int, target: int) -> None:
        at = site - self._entry
        self._code[at : at + 4] = (target - site - 4).to_bytes(4, "little", signed=True)
