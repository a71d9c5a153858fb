"""The translation cache: units in machine memory, chained to each other, found by guest RIP.

Space is handed out upwards; when it is used up, everything goes (Adams and Agesen, section 3.2: eviction
is rare, so the simplest policy will do).
"""

from __future__ import annotations

from bisect import bisect_right

import numpy as np

from hardware_model.executor.time_map import set_time_map
from hardware_model.machine import Machine
from techniques.binary_translation import counts as counted
from techniques.binary_translation.address_space import AddressSpace
from techniques.binary_translation.layout import (
    CACHE,
    PORT_ASKS,
    PORTS,
    REGION,
    SPACES,
    STATE,
    STATE_FIELDS,
    STATE_WORDS,
    TABLE_ENTRIES,
)
from techniques.binary_translation.translator import UNIT_BYTES
from techniques.binary_translation.unit import Callout, Exit, Kind, Mark, Unit
from techniques.technique import GuestError

_MISS_STUB = b"\x0f\x0b"
_AT_MISS, _MISS = Mark(None, (0, 1)), Callout(Kind.MISS)


class TranslationCache:
    """`size` bytes of code at REGION + CACHE, whose region starts at machine address `machine_base`.

    `state_words` are the state page's 64-bit words.
    """

    def __init__(
        self, machine: Machine, counters: counted.Counts, machine_base: int, size: int
    ) -> None:
        self._memory = machine.memory
        self._counts = counters
        self._machine_base = machine_base
        self._place(REGION)
        self._size = size
        self.state_words = machine.memory.view(machine_base + STATE, STATE_WORDS)
        self._time = np.zeros(size, np.uint8)
        self._times = self._time.data
        self.write(self.region + PORT_ASKS, b"\1" * PORTS)
        set_time_map(machine.words, machine_base + CACHE, self._time)
        self.spaces: list[AddressSpace] = []
        self._order: list[Unit] = []
        self._addresses: list[int] = []
        self.next = self._base
        self.flush()

    def _place(self, region: int) -> None:
        """The region lies at linear address `region`."""
        self.region, self._base = region, region + CACHE
        self._offset = self._machine_base - region  # from linear to machine addresses

    def move(self, region: int) -> None:
        """The region lies elsewhere now; everything in the cache is dropped."""
        used = self.next - self._base
        self._place(region)
        self.next = self._base + used
        self.flush()

    def __contains__(self, address: int) -> bool:
        return self._base <= address < self._base + self._size

    def flush(self) -> None:
        """Drop everything."""
        self._counts[counted.FLUSHES] += bool(self._order)
        for unit in self._order:
            unit.valid = False
        self._order.clear()
        self._addresses.clear()
        self._time[: self.next - self._base] = 0
        self.write(self._base, _MISS_STUB)
        self.next = self._base + 16
        self.spaces.clear()
        self.enter(self.new_space())

    @property
    def space(self) -> AddressSpace:
        """The address space in use."""
        return self.spaces[-1]

    @property
    def units(self) -> dict[int, Unit]:
        """Units of the address space in use, by guest RIP."""
        return self.spaces[-1].units

    def new_space(self) -> AddressSpace:
        """An address space without units, not yet in use: there must be fewer than SPACES."""
        used = {space.number for space in self.spaces}
        space = AddressSpace(next(n for n in range(SPACES) if n not in used), self.region)
        self.write(space.table, np.full(TABLE_ENTRIES, self._base, "<u8").tobytes())
        self.spaces.insert(0, space)
        return space

    def enter(self, space: AddressSpace) -> None:
        """From now on code runs in `space`; `spaces` are in the order of their last use."""
        self.spaces.remove(space)
        self.spaces.append(space)
        self.state_words[STATE_FIELDS["lookup"] >> 3] = space.table >> 3

    def write(self, linear: int, data: bytes) -> None:
        """Store `data` at a linear address of the region."""
        self._memory.write(linear + self._offset, data)

    def read(self, linear: int, size: int) -> bytes:
        """`size` bytes at a linear address of the region."""
        return self._memory.read(linear + self._offset, size)

    def write_beside_state(self, offset: int, data: bytes) -> None:
        """Store `data` at an offset from the state page."""
        self.write(self.region + STATE + offset, data)

    @property
    def is_full(self) -> bool:
        """Whether there may be no room for another unit: then `flush` makes room."""
        return self.next + UNIT_BYTES > self._base + self._size

    def place(self, unit: Unit, *, findable: bool = True) -> None:
        """Put a unit that was made for address `next` into the cache and link its exits.

        Units that are not `findable` are run once, by the VMM's leave.
        """
        counts = self._counts
        counts[counted.UNITS] += 1
        counts[counted.INSTRUCTIONS_IN] += unit.instructions
        counts[counted.INSTRUCTIONS_OUT] += unit.emitted
        counts[counted.BYTES_OUT] += unit.size
        self.write(unit.entry, unit.code)
        at = unit.entry - self._base
        self._times[at : at + unit.size] = unit.time
        unit.code = unit.time = b""
        self.next = unit.end + 15 & ~15
        if findable:
            unit.space = self.space
            self.units[unit.rip] = unit
        self._order.append(unit)
        self._addresses.append(unit.entry)
        for way in unit.exits:
            target = self.units.get(way.target)
            if target is not None:
                self.link(way, target)

    def link(self, way: Exit, target: Unit) -> None:
        """Have an exit jump straight to its target's body."""
        self._counts[counted.LINKED] += 1
        self._aim(way, target.body)
        way.linked = target
        if target.incoming is None:
            target.incoming = set()
        target.incoming.add(way)

    def unlink(self, way: Exit) -> None:
        """Have an exit call out again."""
        if way.linked is not None and way.linked.incoming is not None:
            self._counts[counted.UNLINKED] += 1
            self._aim(way, way.stub)
            way.linked.incoming.discard(way)
            way.linked = None

    def _aim(self, way: Exit, address: int) -> None:
        distance = address - way.site - 4
        self.write(way.site, distance.to_bytes(4, "little", signed=True))

    def enter_in_table(self, unit: Unit) -> None:
        """Have indirect transfers to the unit's RIP find it."""
        self.write(self._place_in_table(unit), unit.entry.to_bytes(8, "little"))

    def _place_in_table(self, unit: Unit) -> int:
        assert unit.space is not None
        return unit.space.table + 8 * (unit.rip & 0xFFFF)

    def remove(self, unit: Unit) -> None:
        """Nothing leads to the unit any more; its space is lost until the next flush."""
        unit.valid = False
        for way in tuple(unit.incoming or ()):
            self.unlink(way)
        for way in unit.exits:
            self.unlink(way)
        assert unit.space is not None
        if unit.space.units.get(unit.rip) is unit:
            del unit.space.units[unit.rip]
        at = self._place_in_table(unit)
        if self._memory.read64(at + self._offset) == unit.entry:
            self.write(at, self._base.to_bytes(8, "little"))

    def find(self, address: int) -> tuple[Unit | None, Mark]:
        """Unit (None for the common miss) and mark of the translated instruction at linear `address`.

        Raises GuestError if it is not in the cache.
        """
        if not self._base <= address < self._base + self._size:
            raise GuestError(
                f"the guest's kernel got to {address:#x} untranslated: it has overwritten its VMM's "
                "state page"
            )
        position = bisect_right(self._addresses, address) - 1
        if position < 0:
            return None, _AT_MISS
        unit = self._order[position]
        return unit, unit.mark(address)

    def callout(self, unit: Unit | None, address: int) -> Callout | None:
        """What the callout at linear `address` is for; None if there is none."""
        if unit is None:
            return _MISS
        return unit.callouts.get(address)
