"""What every policy works with."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass, field

from techniques.shadow.counts import Counts
from techniques.shadow.flushes import Flushes
from techniques.shadow.ports import FrameAllocator, GuestMemory, MachineMemory
from techniques.shadow.shadow_cache import ShadowCache
from techniques.shadow.shadow_tables import ShadowTables


@dataclass(frozen=True, slots=True)
class Resources:
    """Memories, frame pool, owed flushes, counters; `reserved` entries of every shadow root.

    `prefetch`: entries considered at a hidden fault, see `techniques.shadow.prefetch`.
    """

    guest: GuestMemory
    machine: MachineMemory
    frames: FrameAllocator
    flushes: Flushes
    counts: Counts
    reserved: Mapping[int, int]
    devices: Set[
        int
    ]  # guest frames of device registers that the guest reaches directly, at the same machine frames
    prefetch: int = 1
    caches: list[ShadowCache] = field(default_factory=list)

    @property
    def base(self) -> int:
        """Machine address of guest-physical 0."""
        base = self.guest.machine_address(0)
        assert base is not None
        return base

    def new_tables(self) -> ShadowTables:
        """Entry writing for one policy."""
        return ShadowTables(self.machine, self.base, self.flushes, self.counts)

    def new_cache(self, tables: ShadowTables) -> ShadowCache:
        """An empty set of shadow pages."""
        cache = ShadowCache(
            self.machine, self.frames, tables, self.flushes, self.counts, self.reserved
        )
        self.caches.append(cache)
        return cache
