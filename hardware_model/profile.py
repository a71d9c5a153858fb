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
_RUNS, _PC, _MACHINE, _SHAPE, _ATTENTION, _CODE, _MARKER, _FLAGS = range(8)
_CPL = 3
_EXIT_SHIFT, _CODE_OFFSET = 63, (1 << 63) - 1


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


class Profile:
    """Instruction counts of everything executed so far, as counters."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.forget()

    def forget(self) -> None:
        """The engine's record of blocks was replaced: look at all of them anew."""
        self._lengths = np.empty(0, np.int64)  # instructions of each block
        self._classes = np.empty(
            0, np.int64
        )  # of each instruction of each block, one block behind the other
        self._jumps = np.empty(0, np.int64)  # indirect ones in each block

    def _learn_blocks(self) -> None:
        """Take in the blocks that are new since the last look; a block stays what it is."""
        first, end = len(self._lengths), int(self._engine.words[W.SLOT_COUNT])
        if first == end:
            return
        new = [self._block_classes(position) for position in range(first, end)]
        jumps = [int((classes == _INDIRECT_JUMP).sum()) for classes in new]
        self._lengths = np.append(self._lengths, [len(classes) for classes in new])
        self._classes = np.concatenate((self._classes, *new))
        self._jumps = np.append(self._jumps, jumps)

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
        slots = engine.slots[: len(self._lengths)]
        own = (slots[:, _MACHINE] >= share.base) & (slots[:, _MACHINE] < share.end)
        self._add_blocks(values, words, np.where(own, slots[:, _RUNS], np.uint64(0)).view(np.int64))
        for key, times in engine.corrections[engine.corrections[:, 0] != 0]:
            position, rest = divmod(int(key) - 1, 1 << 11)
            if not own[position]:
                continue
            completed, index = divmod(rest, 1 << 10)
            if completed:
                self._add(values, words, position, slice(index, index + 1), int(times))
            else:
                self._add(values, words, position, slice(index, None), -int(times))
        if words[W.TIME_MAP_BYTES]:
            elsewhere = values[_EMULATED] + values[_USER]
            values[_RETIRED_IN_CACHE] = values[_INSTRUCTIONS] - elsewhere
            values[_UNCHAINED] = values[_LINKING]
            values[_CHAINED] -= values[_LINKING]
        return values

    def _add_blocks(
        self,
        values: counter_table.CounterArray,
        words: npt.NDArray[np.uint64],
        runs: npt.NDArray[np.int64],
    ) -> None:
        """Count every block as often as it ran, from its first instruction to its last."""
        slots, signed = self._engine.slots[: len(runs)], values.view(np.int64)
        executed = runs * self._lengths
        values[_BLOCKS] = runs.sum()
        np.add.at(signed, _FIRST_CLASS + self._classes, np.repeat(runs, self._lengths))
        signed[_USER] += executed[slots[:, _FLAGS] & _CPL == _CPL].sum()
        offsets = slots[:, _MACHINE] - words[W.TIME_MAP_BASE]  # wraps below the region
        in_cache = offsets < words[W.TIME_MAP_BYTES]
        signed[_IN_CACHE] += executed[in_cache].sum()
        signed[_LOOKUPS] += (runs * self._jumps)[in_cache].sum()
        exits = slots[:, _CODE] >> np.uint64(_EXIT_SHIFT)
        signed[_CHAINED] += runs[in_cache & (exits != 0)].sum()

    def _add(
        self,
        values: counter_table.CounterArray,
        words: npt.NDArray[np.uint64],
        position: int,
        part: slice,
        times: int,
    ) -> None:
        whole = self._block_classes(position)
        classes = whole[part]
        signed = values.view(np.int64)
        np.add.at(signed, _FIRST_CLASS + classes, times)
        if int(self._engine.slots[position, _FLAGS]) & _CPL == _CPL:
            signed[_USER] += times * len(classes)
        if self._is_in_cache(words, position):
            signed[_IN_CACHE] += times * len(classes)
            signed[_LOOKUPS] += times * int((classes == _INDIRECT_JUMP).sum())
            if range(len(whole))[part].stop == len(whole):
                signed[_CHAINED] += times * self._exits(position)

    def _exits(self, position: int) -> int:
        """Direct exits of translation units among the block's instructions: its last, or none."""
        return int(self._engine.slots[position, _CODE]) >> _EXIT_SHIFT

    def _is_in_cache(self, words: npt.NDArray[np.uint64], position: int) -> bool:
        """Whether the block lies in a binary translator's code region."""
        offset = int(self._engine.slots[position, _MACHINE]) - int(words[W.TIME_MAP_BASE])
        return 0 <= offset < int(words[W.TIME_MAP_BYTES])

    def _block_classes(self, position: int) -> np.ndarray:
        slot = self._engine.slots[position]
        start, size = int(slot[_CODE]) & _CODE_OFFSET, int(slot[_SHAPE]) & 0xFFFF
        return _classes(self._engine.code_bytes[start : start + size].tobytes())

    def hot_addresses(self) -> Counter[int]:
        """Executions by linear address of the block."""
        slots = self._engine.slots[: int(self._engine.words[W.SLOT_COUNT])]
        hot: Counter[int] = Counter()
        for slot in slots:
            hot[int(slot[_PC])] += int(slot[_RUNS])
        return hot
