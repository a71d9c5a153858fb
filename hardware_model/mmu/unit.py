"""`Mmu`: the memory-management unit as a Python object, for VMMs, emulators and tests."""

from __future__ import annotations

import numpy as np

from hardware_model import counters as declared
from hardware_model.counters import CounterArray
from hardware_model.mmu import invalidation, probe, state
from hardware_model.mmu.access import translate
from hardware_model.mmu.entries import Ram
from hardware_model.mmu.geometry import NEHALEM, TlbGeometry
from hardware_model.mmu.invalidation import InveptType, InvpcidType, InvvpidType
from hardware_model.mmu.state import Kind, Status, Word


class Mmu:
    """A unit over machine memory `ram` (64-bit words) with the caches of `geometry`.

    `state` is the flat array that native code shares; header words are read and set as
    `mmu[Word.CR3]`. Words set directly have no side effect: use `write_cr3` and the other
    operations for what invalidates.
    """

    def __init__(
        self, ram: Ram, geometry: TlbGeometry = NEHALEM, counters: CounterArray | None = None
    ) -> None:
        self.ram = ram
        self.geometry = geometry
        self.counters = declared.new() if counters is None else counters
        self.state = state.new(geometry)
        self.state[Word.RAM_BYTES] = ram.size * 8

    def __getitem__(self, word: Word) -> int:
        return int(self.state[word])

    def __setitem__(self, word: Word, value: int) -> None:
        self.state[word] = np.uint64(value)

    @property
    def evictions(self) -> list[tuple[int, int]]:
        """(page address, shift) of each first-level entry that the last operation dropped."""
        first, count = Word.OUT_EVICT, self[Word.OUT_EVICT_COUNT]
        words = [int(word) for word in self.state[first : first + 2 * count]]
        return list(zip(words[::2], words[1::2], strict=True))

    @property
    def flush_all(self) -> bool:
        """Whether the engine must drop every translation after the last operation."""
        return self[Word.OUT_FLUSH_ALL] != 0

    def translate(
        self, va: int, kind: Kind = Kind.LOAD, user: bool = False, ac: bool = False
    ) -> Status:
        """One memory access, see `access.translate`."""
        return Status(
            translate(
                self.ram, self.state, self.counters, np.uint64(va), int(kind), bool(user), bool(ac)
            )
        )

    def probe(self, va: int) -> tuple[Status, int]:
        """Status and machine address of `va` without side effects, see `probe.probe`."""
        status, address = probe.probe(self.ram, self.state, np.uint64(va))
        return Status(status), int(address)

    def probe_guest_physical(self, gpa: int) -> tuple[Status, int]:
        """Status and machine address of a guest-physical address without side effects."""
        status, address = probe.probe_guest_physical(self.ram, self.state, np.uint64(gpa))
        return Status(status), int(address)

    def invlpg(self, va: int) -> None:
        """INVLPG, see `invalidation.invlpg`."""
        invalidation.invlpg(self.state, self.counters, np.uint64(va))

    def write_cr3(self, value: int) -> None:
        """MOV to CR3, see `invalidation.write_cr3`."""
        invalidation.write_cr3(self.state, self.counters, np.uint64(value))

    def flush_vpid(self, vpid: int) -> None:
        """Drop everything of a VPID, see `invalidation.flush_vpid`."""
        invalidation.flush_vpid(self.state, self.counters, np.uint64(vpid))

    def flush_everything(self) -> None:
        """Drop everything, see `invalidation.flush_everything`."""
        invalidation.flush_everything(self.state, self.counters)

    def invpcid(self, kind: InvpcidType, pcid: int, va: int = 0) -> None:
        """INVPCID, see `invalidation.invpcid`."""
        invalidation.invpcid(self.state, self.counters, int(kind), np.uint64(pcid), np.uint64(va))

    def invvpid(self, kind: InvvpidType, vpid: int, va: int = 0) -> None:
        """INVVPID, see `invalidation.invvpid`."""
        invalidation.invvpid(self.state, self.counters, int(kind), np.uint64(vpid), np.uint64(va))

    def invept(self, kind: InveptType, eptp: int = 0) -> None:
        """INVEPT, see `invalidation.invept`."""
        invalidation.invept(self.state, self.counters, int(kind), np.uint64(eptp))
