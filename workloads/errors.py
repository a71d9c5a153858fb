"""What can be wrong with a workload; every message is one sentence that names its place."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches


@dataclass(frozen=True, slots=True)
class Place:
    """A line of a source file; `line` counts from 1, 0 means the file as a whole."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


class WorkloadError(Exception):
    """A workload file that breaks the rules. Attributes: `file`, `line`, `sentence`."""

    def __init__(self, place: Place, sentence: str) -> None:
        super().__init__(f"{place}: {sentence}")
        self.file, self.line, self.sentence = place.file, place.line, sentence

    def __reduce__(self) -> tuple[type[WorkloadError], tuple[Place, str]]:
        return type(self), (Place(self.file, self.line), self.sentence)


class AssemblyError(WorkloadError):
    """Source text that cannot be assembled."""


class UnknownWorkload(Exception):
    """No workload has the name asked for. Attributes: `name`, `near` (names like it)."""

    def __init__(self, name: str, known: Iterable[str]) -> None:
        self.name = name
        self._known = tuple(known)
        by_ending = {known.split("/")[-1]: known for known in self._known}
        candidates = [*self._known, *by_ending]
        close = get_close_matches(name, candidates, n=3, cutoff=0.5)
        self.near = tuple(dict.fromkeys(by_ending.get(found, found) for found in close))
        advice = f"; did you mean {' or '.join(self.near)}?" if self.near else ""
        kind = "file" if name.endswith(".asm") else "workload"
        super().__init__(f"there is no {kind} {name!r}{advice}")

    def __reduce__(self) -> tuple[type[UnknownWorkload], tuple[str, tuple[str, ...]]]:
        return type(self), (self.name, self._known)
