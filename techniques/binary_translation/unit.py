"""Translation units: what a piece of translated code says about itself."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from iced_x86 import Instruction

if TYPE_CHECKING:
    from techniques.binary_translation.address_space import AddressSpace
    from techniques.binary_translation.fence import Check, Place


class Kind(Enum):
    """Why translated code calls out to the VMM."""

    LINK = "an exit whose target was not translated when it was last looked at"
    MISS = "an indirect transfer whose target the lookup table does not hold"
    EMULATE = "an instruction that the VMM performs"
    WINDOW = "an interrupt waited when the guest set IF"
    TRACED = "a store or load that kept faulting, now performed by the VMM"
    FENCED = "an instruction that can only go to the VMM's own slot, or one that was run while that was closed"


class Mark(NamedTuple):
    """One instruction of translated code at linear `address`, and the guest's state there.

    `rip` is the guest's RIP; None: it is in RCX, less `bias`. `saved` names the general registers
    whose guest values are on the state page. `shadow`: the guest's last instruction holds off interrupts.
    `flags_in_rax`: AH holds the arithmetic flags as LAHF stores them, AL is OF.
    """

    address: int
    rip: int | None
    saved: tuple[int, ...] = ()
    bias: int = 0
    shadow: bool = False
    flags_in_rax: bool = False


@dataclass(eq=False, slots=True)
class Exit:
    """A direct jump out of a unit: `site` is the address of its displacement, `stub` of its callout."""

    target: int
    site: int
    stub: int
    linked: Unit | None = None


@dataclass(frozen=True, slots=True)
class Callout:
    """A call to the VMM: `exit` belongs to LINK, `instruction` to EMULATE and TRACED."""

    kind: Kind
    instruction: Instruction | None = None
    exit: Exit | None = None


@dataclass(eq=False, slots=True)
class Unit:
    """The translation of `instructions` guest instructions from `rip` on.

    `entry` is where indirect transfers arrive, `body` where all others do, both linear addresses.
    `starts` maps guest RIPs to their code, `accesses` to what stands there behind the checks of the fence, `fences`
    holds these by address, `trusts` by guest RIP what was checked before. `pages` are (linear page, guest frame) of the
    source, `source` its (guest-physical address, bytes). `space`: where it can be found, None if it is run once.
    """

    rip: int
    entry: int
    body: int
    code: bytes
    time: bytes
    marks: list[Mark]
    callouts: dict[int, Callout]
    exits: list[Exit]
    starts: dict[int, int]
    instructions: int
    accesses: dict[int, int]
    fences: dict[int, Check]
    trusts: dict[int, frozenset[Place]]
    source: tuple[tuple[int, int], ...] = ()
    pages: tuple[tuple[int, int], ...] = ()
    incoming: set[Exit] = field(default_factory=set)
    valid: bool = True
    traced: dict[int, bytes] = field(default_factory=dict)
    space: AddressSpace | None = None

    @property
    def end(self) -> int:
        """Linear address behind the unit's code."""
        return self.entry + len(self.code)

    def mark(self, address: int) -> Mark:
        """The mark of the instruction at `address`."""
        return self.marks[bisect_right(self.marks, address, key=lambda mark: mark.address) - 1]
