"""The errors that a selection of cells can cause."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class SelectionError(Exception):
    """What was asked for cannot be run; the message is one sentence that names it."""


def unknown(kind: str, name: str, known: Iterable[str]) -> SelectionError:
    """The error for a name that does not exist, with the nearest names that do."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(names) or 'none'}"
    return SelectionError(f"unknown {kind} {name!r}; {hint}")
