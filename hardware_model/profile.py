"""What guests executed: instruction counts by class from the block profile of the executor."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from hardware_model import counters as counter_table
from hardware_model.executor import words as W
from hardware_model.executor.engine import Engine
from hardware_model.executor.slots import (
    SLOT_CODE,
    SLOT_FLAGS,
    SLOT_MACHINE,
    SLOT_PC,
    SLOT_RUNS,
    SLOT_SHAPE,
)
from hardware_model.instruction_classes import CLASS_INDEX, INSTRUCTION_CLASSES, classify

_FIRST_CLASS = counter_table.index(f"insn.{INSTRUCTION_CLASSES[0].name}")
_INSTRUCTIONS = counter_table.index("instructions")
_EMULATED = counter_table.index("instructions.emulated")
_USER = counter_table.index("instructions.user")
_BLOCKS = counter_table.index("blocks")
_IDLE = counter_table.index("time.idle")
_IN_CACHE = counter_table.index("bt.instruction.executed")
_RETIRED_IN_CACHE = counter_table.index("bt.instruction.retired")
_CHAINED, _UNCHAINED = (counter_table.index(f"bt.exit.{kind}") for kind in ("chained", "unchained"))
_LINKING = counter_table.index("bt.callout.link")
_LOOKUPS = counter_table.index("bt.lookup")
_INDIRECT_JUMP = CLASS_INDEX["indirect_jump"]
_CPL = 3
_EXIT_SHIFT, _CODE_OFFSET = np.uint64(63), (1 << 63) - 1


@lru_cache(maxsize=1 << 16)
def _classes(code: bytes) -> np.ndarray:
    """Instruction class of each instruction of a block."""
    return np.array(classify(code), np.int64)


@dataclass(frozen=True, slots=True)
class Share:
    """One guest's share of a machine: its `events` counted, its native `words`, and its part of machine memory."""

    events: counter_table.CounterArray
    words: npt.NDArray[np.uint64]
    base: int
    end: int


@dataclass(frozen=True, slots=True)
class _Parts:
    """Runs of instructions within blocks, each executed a number of times (negative: less often than counted)."""

    position: npt.NDArray[np.int64]  # of the block
    index: npt.NDArray[np.int64]  # of the first instruction in its block
    count: npt.NDArray[np.int64]  # instructions
    times: npt.NDArray[np.int64]


class Profile:
    """Instruction counts of everything executed so far, as counters."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.forget()

    def forget(self) -> None:
        """The engine's record of blocks was replaced: look at all of them anew."""
        self._lengths = np.empty(0, np.int64)  # instructions of each block
        self._starts = np.empty(0, np.int64)  # where each block begins in ...
        self._classes = np.empty(0, np.int64)  # ... the classes of the instructions of all blocks

    def _learn_blocks(self) -> None:
        """Take in the blocks that are new since the last look; a block stays what it is."""
        first, end = len(self._lengths), int(self._engine.words[W.SLOT_COUNT])
        if first == end:
            return
        new = [self._block_classes(position) for position in range(first, end)]
        self._lengths = np.append(self._lengths, [len(classes) for classes in new])
        self._starts = np.cumsum(self._lengths) - self._lengths
        self._classes = np.concatenate((self._classes, *new))

    def counters(self, share: Share | None = None) -> counter_table.CounterArray:
        """The machine's counters with the block profile's part added (a copy); with `share`, one guest's."""
        engine = self._engine
        share = share or Share(engine.counters, engine.words, 0, engine.ram_bytes)
        words, values = share.words, share.events.copy()
        clock, idle = int(words[W.CLOCK]), int(words[W.IDLE])
        values[_INSTRUCTIONS] = clock - idle
        values[_IDLE] = idle
        values[_EMULATED] = words[W.COMPLETED]
        self._learn_blocks()
        blocks = self._blocks(share)
        values[_BLOCKS] = blocks.times.sum()
        self._add(values, words, blocks)
        self._add(values, words, self._corrections(share))
        if words[W.TIME_MAP_BYTES]:
            elsewhere = values[_EMULATED] + values[_USER]
            values[_RETIRED_IN_CACHE] = values[_INSTRUCTIONS] - elsewhere
            values[_UNCHAINED] = values[_LINKING]
            values[_CHAINED] -= values[_LINKING]
        return values

    def _is_in(
        self, base: int, size: int, position: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.bool_]:
        """Whether blocks lie in `size` bytes of machine memory from `base`."""
        offsets = self._engine.slots[position, SLOT_MACHINE] - np.uint64(
            base
        )  # wraps below the region
        return np.asarray(offsets < np.uint64(size))

    def _blocks(self, share: Share) -> _Parts:
        """Every block as often as it was entered, from its first instruction to its last."""
        runs = self._engine.slots[: len(self._lengths), SLOT_RUNS]
        position = np.flatnonzero(runs)
        position = position[self._is_in(share.base, share.end - share.base, position)]
        times = runs[position].view(np.int64)
        return _Parts(position, np.zeros_like(position), self._lengths[position], times)

    def _corrections(self, share: Share) -> _Parts:
        """What blocks that were left early did not execute, and the instructions completed apart."""
        noted = self._engine.corrections.view(np.int64)
        key, times = noted[np.flatnonzero(noted[:, 0] != 0)].T
        own = self._is_in(share.base, share.end - share.base, key - 1 >> 11)
        key, times = key[own] - 1, times[own]
        position, completed, index = key >> 11, key >> 10 & 1, key & (1 << 10) - 1
        rest = np.maximum(self._lengths[position] - index, 0)
        count = np.where(completed, np.minimum(rest, 1), rest)
        return _Parts(position, index, count, np.where(completed, times, -times))

    def _add(
        self, values: counter_table.CounterArray, words: npt.NDArray[np.uint64], parts: _Parts
    ) -> None:
        """Count the instructions of `parts`."""
        position, index, count, times = parts.position, parts.index, parts.count, parts.times
        slots, signed = self._engine.slots, values.view(np.int64)
        begin = self._starts[position] + index - (np.cumsum(count) - count)
        classes = self._classes[np.repeat(begin, count) + np.arange(count.sum())]
        each = np.repeat(times, count)
        np.add.at(signed, _FIRST_CLASS + classes, each)
        user = slots[position, SLOT_FLAGS] & _CPL == _CPL
        signed[_USER] += (times * count)[user].sum()
        if not words[W.TIME_MAP_BYTES]:
            return
        in_cache = self._is_in(int(words[W.TIME_MAP_BASE]), int(words[W.TIME_MAP_BYTES]), position)
        signed[_IN_CACHE] += (times * count)[in_cache].sum()
        jumps = np.repeat(in_cache, count) & (classes == _INDIRECT_JUMP)
        signed[_LOOKUPS] += each[jumps].sum()
        ends = index + count == self._lengths[position]
        exits = (
            slots[position, SLOT_CODE] >> _EXIT_SHIFT != 0
        )  # whether its last instruction is one
        signed[_CHAINED] += times[in_cache & ends & exits].sum()

    def _block_classes(self, position: int) -> np.ndarray:
        slot = self._engine.slots[position]
        start, size = int(slot[SLOT_CODE]) & _CODE_OFFSET, int(slot[SLOT_SHAPE]) & 0xFFFF
        return _classes(self._engine.code_bytes[start : start + size].tobytes())

    def hot_addresses(self) -> Counter[int]:
        """Executions by linear address of the block."""
        slots = self._engine.slots[: int(self._engine.words[W.SLOT_COUNT])]
        hot: Counter[int] = Counter()
        for slot in slots:
            hot[int(slot[SLOT_PC])] += int(slot[SLOT_RUNS])
        return hot
