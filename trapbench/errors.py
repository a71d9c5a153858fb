"""The errors that a selection of cells can cause."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

#: The packages whose exceptions are sentences for the user; any other is a defect.
_OURS = frozenset({"hardware_model", "techniques", "workloads", "results", "trapbench"})


class SelectionError(Exception):
    """What was asked for cannot be run; the message is one sentence that names it."""


def unknown(kind: str, name: str, known: Iterable[str]) -> SelectionError:
    """The error for a name that does not exist, with the nearest names that do."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(names) or 'none'}"
    return SelectionError(f"unknown {kind} {name!r}; {hint}")


def is_ours(error: Exception) -> bool:
    """Whether the error's type is declared by one of our packages: its message is for the user."""
    return any(kind.__module__.partition(".")[0] in _OURS for kind in type(error).__mro__)
