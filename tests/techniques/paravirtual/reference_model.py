"""The rules of direct paging a second time: counts are not kept but computed from the whole state.

The state is what keeps tables alive (pins and roots in use) and what the tables contain. From it follow the type of
every frame and the number of its uses. A state in which a frame would need two types cannot be entered.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

P, RW, G = 1, 2, 0x100
FORBIDDEN = {1: 0x98 | 1 << 62, 2: 0x198, 3: 0x198, 4: 0x198}
WRITABLE = "writable"
Use = tuple[int, int | str]  # frame, and level or WRITABLE


class Impossible(Exception):
    """No such state may exist."""


@dataclass
class Counts:
    """Type and counts that a state implies."""

    types: dict[int, int | str] = field(default_factory=dict)
    uses: Counter[int] = field(default_factory=Counter)
    references: Counter[int] = field(default_factory=Counter)
    writable: set[int] = field(default_factory=set)


@dataclass
class Model:
    """Pins and roots over tables read through `read(frame, slot)`; `owned` frames, `slots` looked at in each table."""

    read: Callable[[int, int], int]
    owned: frozenset[int]
    slots: tuple[int, ...]
    pins: dict[int, int] = field(default_factory=dict)
    root: int = 0

    def counts(self, extra: Iterable[Use] = ()) -> Counts:
        """What the state, with `extra` uses, implies; Impossible if it contradicts itself."""
        result = Counts()
        waiting: list[Use] = [*self.pins.items(), *extra]
        if self.root:
            waiting.append((self.root, 4))
        while waiting:
            frame, kind = waiting.pop()
            first = self._use(result, frame, kind)
            if first and kind != WRITABLE:
                assert isinstance(kind, int)
                for slot in self.slots:
                    waiting += self.needs(result, kind, slot, self.read(frame, slot))
        return result

    def _use(self, result: Counts, frame: int, kind: int | str) -> bool:
        if frame not in self.owned:
            raise Impossible("not the domain's")
        if result.types.setdefault(frame, kind) != kind:
            raise Impossible("two types")
        result.uses[frame] += 1
        result.references[frame] += 1
        if kind == WRITABLE:
            result.writable.add(frame)
        return result.uses[frame] == 1

    def needs(self, result: Counts, level: int, slot: int, entry: int) -> list[Use]:
        """The uses that an entry stands for; a read-only mapping is only counted."""
        if not entry & P or (level == 4 and 256 <= slot < 272):
            return []
        if entry & FORBIDDEN[level]:
            raise Impossible("forbidden bit")
        frame = entry >> 12 & 0xFFFFFFFFFF
        if level > 1:
            return [(frame, level - 1)]
        if entry & RW:
            return [(frame, WRITABLE)]
        if frame not in self.owned:
            raise Impossible("not the domain's")
        result.references[frame] += 1
        return []
