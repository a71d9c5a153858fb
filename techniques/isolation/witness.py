"""Who watches the victim: all of its memory, and its VMM's, while the attacker has the processor."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from techniques.several.round_robin import RoundRobin
from techniques.several.virtual_machine import VirtualMachine


class Witness:
    """Counts in `changed` the bytes of the victim's partition that change in the attacker's turns."""

    def __init__(self, host: RoundRobin, attacker: VirtualMachine, victim: VirtualMachine) -> None:
        first, last = victim.partition.base >> 3, victim.partition.end >> 3
        self._words = host.machine.engine.ram64[first:last]
        self._before = np.empty_like(self._words)
        self._attacker = attacker
        self.changed = 0
        host.around = self._around

    @contextmanager
    def _around(self, vm: VirtualMachine) -> Iterator[None]:
        if vm is not self._attacker:
            yield
            return
        np.copyto(self._before, self._words)
        yield
        different = np.flatnonzero(self._before != self._words)
        before, after = (words[different].view(np.uint8) for words in (self._before, self._words))
        self.changed += int(np.count_nonzero(before != after))
