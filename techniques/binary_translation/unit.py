"""Translation units: what a piece of translated code says about itself."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from iced_x86 import Instruction

if TYPE_CHECKING:
    from techniques.binary_translation.address_space import AddressSpace
    from techniques.binary_translation.fence import Check
    from techniques.binary_translation.uses import Place


class Kind(Enum):
    """Why translated code calls out to the VMM."""

    LINK = "an exit whose target was not translated when it was last looked at"
    MISS = "an indirect transfer whose target the lookup table does not hold"
    EMULATE = "an instruction that the VMM performs"
    WINDOW = "an interrupt waited when the guest set IF"
    TRACED = "a store or load that kept faulting, now performed by the VMM"
    FENCED = "an instruction that can only go to the VMM's own slot, or one that was run while that was closed"


class Mark(NamedTuple):
    """The guest's state at an instruction of translated code.

    `rip` is the guest's RIP; None: it is in RCX, less `bias`. `saved` names the general registers
    whose guest values are on the state page. `shadow`: the guest's last instruction holds off interrupts.
    `flags_in_rax`: AH holds the arithmetic flags as LAHF stores them, AL is OF.
    """

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

    `entry` is where indirect transfers arrive, `body` where all others do, both linear addresses. The `code`, `size`
    bytes and `emitted` instructions, and its `time` map are kept until they are in the cache. From offset `places[n]`
    on, `marks[n]` is the guest's state. `starts` maps guest RIPs to their code, `accesses` to what stands there if that
    is behind checks of the fence, `fences` holds these by address, `trusts` by guest RIP what was checked. `pages` are
    (linear page, guest frame) of the source, `source` its (guest-physical address, bytes). `space`: where it can be
    found, None if it is run once.
    """

    rip: int
    entry: int
    body: int
    size: int
    code: bytes
    time: bytes
    emitted: int
    places: array[int]
    marks: tuple[Mark, ...]
    callouts: dict[int, Callout]
    exits: list[Exit]
    starts: dict[int, int]
    instructions: int
    accesses: dict[int, int]
    fences: dict[int, Check]
    trusts: dict[int, frozenset[Place]]
    source: tuple[tuple[int, int], ...] = ()
    pages: tuple[tuple[int, int], ...] = ()
    incoming: set[Exit] | None = None
    valid: bool = True
    traced: dict[int, bytes] | None = None
    space: AddressSpace | None = None

    @property
    def end(self) -> int:
        """Linear address behind the unit's code."""
        return self.entry + self.size

    def mark(self, address: int) -> Mark:
        """The mark of the instruction at `address`."""
        return self.marks[bisect_right(self.places, address - self.entry) - 1]

    def access(self, rip: int) -> int | None:
        """Linear address of the instruction that accesses memory for the guest's at `rip`."""
        return self.accesses.get(rip) or self.starts.get(rip)
