"""The words of the native event layer's state."""

from __future__ import annotations

from collections import Counter

from hardware_model.executor import words as W

NUMBERS = {"WORDS", "FAULT_LIMIT", "REGISTER_RFLAGS", "NEVER", "PIECES_KEPT"}
SIZES = {"CODE": 2, "SCRATCH": 2, "FIRST_PIECE": W.PIECES_KEPT}


def test_no_word_has_two_meanings():
    first = {
        name: value for name, value in vars(W).items() if name.isupper() and name not in NUMBERS
    }
    uses = Counter(
        word for name, at in first.items() for word in range(at, at + SIZES.get(name, 1))
    )
    twice = {word for word, times in uses.items() if times > 1}
    assert {name for name, at in first.items() if at in twice} == set()
    assert max(uses) < W.WORDS
