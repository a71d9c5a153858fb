"""A finished cell: what its run was observed to do, before it is compared with native."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

from results.cell import Cell
from results.errors import ResultsError

OK, FAILED, SKIPPED, DIVERGED = "ok", "failed", "skipped", "diverged"

#: Characters of the guest's console that are kept.
CONSOLE_TAIL = 2000


_Row = TypeVar("_Row")


def known(kind: type[_Row], row: Mapping[str, Any]) -> _Row:
    """A record of what this version knows of `row`: a later one of the same schema may say more."""
    names = {one.name for one in fields(kind)}  # type: ignore[arg-type]
    return kind(**{name: value for name, value in row.items() if name in names})


def _fields(record: Any) -> dict[str, Any]:
    """A record's values by name, not copied deeply as `asdict` does."""
    return {one.name: getattr(record, one.name) for one in fields(record)}


@dataclass(frozen=True, slots=True)
class HotExit:
    """How often one guest instruction caused one exit: reason, guest RIP, nearest symbol, count."""

    reason: str
    rip: int
    symbol: str
    count: int


@dataclass(frozen=True, slots=True)
class Finished:
    """One cell's observation. `status` is ok, failed or skipped; divergence needs a comparison.

    `key` is the content key it was run under, `outcome` the digest of each part of the
    guest-visible outcome, `counters` the values by scope (roi, total) and counter name.
    """

    cell: Cell
    key: str
    status: str
    reason: str = ""
    guest_status: int | None = None
    digest: str = ""
    outcome: Mapping[str, str] = field(default_factory=dict)
    counters: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    instructions: int = 0
    host_seconds: float = 0.0
    console: str = ""
    hot_exits: tuple[HotExit, ...] = ()
    notes: str = ""

    def to_json(self) -> str:
        return json.dumps(self, separators=(",", ":"), default=_fields)

    @classmethod
    def from_json(cls, text: str, place: object) -> Finished:
        """The cell stored as `text`; ResultsError naming `place` when it is foreign or broken."""
        try:
            row: dict[str, Any] = json.loads(text)
            row["cell"] = known(Cell, row["cell"])
            row["hot_exits"] = tuple(known(HotExit, exit_) for exit_ in row["hot_exits"])
            return known(cls, row)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ResultsError(f"{place} is not a finished cell of trapbench ({error})") from error
