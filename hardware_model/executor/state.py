"""Access of native code to the state words and to the counters."""

from __future__ import annotations

import numpy as np

from hardware_model.executor import words as W
from hardware_model.executor.intrinsics import load64, store64
from hardware_model.native import inner

U = np.uint64


@inner
def word(w: int, name: int) -> int:
    return load64(w + U(8 * name))


@inner
def set_word(w: int, name: int, value: int) -> None:
    store64(w + U(8 * name), U(value))


@inner
def count(w: int, counter: int, amount: int) -> None:
    at = word(w, W.COUNTERS) + U(8 * counter)
    store64(at, load64(at) + U(amount))
