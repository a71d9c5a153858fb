"""Access of native code to the state words and to the counters."""

from __future__ import annotations

import numpy as np

from hardware_model.executor import words as W
from hardware_model.executor.intrinsics import load64, store64
from hardware_model.native import inner

U = np.uint64


@inner
def word(w, name):
    return load64(w + U(8 * name))


@inner
def set_word(w, name, value):
    store64(w + U(8 * name), U(value))


@inner
def count(w, counter, amount):
    at = word(w, W.COUNTERS) + U(8 * counter)
    store64(at, load64(at) + U(amount))
