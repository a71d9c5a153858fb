"""Virtual time of code that a VMM made: how many guest instructions retire with each of its instructions."""

from __future__ import annotations

import numpy as np

from hardware_model.executor import words as W


def set_time_map(words: np.ndarray, base: int, units: np.ndarray) -> None:
    """Virtual time of the code in a VMM's region from machine address `base` on, in place of 1 for each instruction.

    `units` has a byte for each byte of the region: at the first byte of an instruction, the number of guest
    instructions that retire with it, at most 31 (0x80 added: none, and the guest stands between two instructions; 0x40
    added: a jump whose executions are counted as exits). The array is shared: it must hold what it says before the code
    runs, and live as long as the machine.
    """
    assert units.dtype == np.uint8, "the map has bytes"
    assert units.flags.c_contiguous, "the map is shared, so it must be contiguous"
    words[W.TIME_MAP] = units.ctypes.data
    words[W.TIME_MAP_BASE] = base
    words[W.TIME_MAP_BYTES] = len(units)
