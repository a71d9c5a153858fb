"""The tree of Xenstore (Xen documentation, `misc/xenstore.txt`): nodes with values, watches, transactions.

There is one guest, and back ends act only when a watch fires, which waits for the end of a transaction: so transactions
never conflict, and undoing one restores the tree as it was.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

Event = Callable[[str], None]


class StoreError(Exception):
    """A request fails; the text is the error's name as the protocol gives it (ENOENT, EINVAL, EACCES ...)."""


@dataclass(frozen=True, slots=True)
class Watch:
    """`event(path)` is called when something at or below `path` changes."""

    path: str
    event: Event
    key: tuple[str, str] | None = None  # a guest's path and token


class Store:
    """Values by absolute path; every node's ancestors exist."""

    def __init__(self) -> None:
        self._values: dict[str, bytes] = {"": b""}
        self._watches: list[Watch] = []
        self._saved: dict[int, dict[str, bytes]] = {}
        self._changed: list[str] = []  # within a transaction
        self._transactions = 0

    # --- nodes --------------------------------------------------------------------------------------
    def read(self, path: str) -> bytes:
        """A node's value; StoreError ENOENT."""
        if path not in self._values:
            raise StoreError("ENOENT")
        return self._values[path]

    def text(self, path: str, default: str = "") -> str:
        """A node's value as text, `default` if there is no such node."""
        return self._values.get(path, default.encode()).decode("latin-1")

    def directory(self, path: str) -> list[str]:
        """Names of a node's children, sorted; StoreError ENOENT."""
        self.read(path)
        start = len(path) + 1
        below = (p for p in self._values if p.startswith(path + "/"))
        return sorted({p[start:].partition("/")[0] for p in below})

    def write(self, path: str, value: bytes | str) -> None:
        """Set a node, making its ancestors."""
        parent = path.rpartition("/")[0]
        if parent not in self._values:
            self._make(parent)
        self._values[path] = value.encode() if isinstance(value, str) else value
        self._touch(path)

    def would_make(self, path: str) -> int:
        """How many nodes making this one would add: itself and its ancestors."""
        added = 0
        while path not in self._values:
            added, path = added + 1, path.rpartition("/")[0]
        return added

    def nodes_below(self, path: str) -> int:
        """How many nodes there are below one."""
        return sum(p.startswith(path + "/") for p in self._values)

    def make(self, path: str) -> None:
        """Make sure that a node exists."""
        if path not in self._values:
            self._make(path)
            self._touch(path)

    def _make(self, path: str) -> None:
        while path not in self._values:
            self._values[path] = b""
            path = path.rpartition("/")[0]

    def remove(self, path: str) -> None:
        """Remove a node and all below it; StoreError ENOENT if not even its parent exists."""
        if path not in self._values:
            self.read(path.rpartition("/")[0])
            return
        gone = [p for p in self._values if p == path or p.startswith(path + "/")]
        for node in gone:
            del self._values[node]
        self._touch(path)

    # --- watches ------------------------------------------------------------------------------------
    def watch(self, path: str, event: Event, key: tuple[str, str] | None = None) -> None:
        """Have `event` called for changes from now on; StoreError EEXIST for a `key` that is in use."""
        if key is not None and any(watch.key == key for watch in self._watches):
            raise StoreError("EEXIST")
        self._watches.append(Watch(path, event, key))

    def unwatch(self, key: tuple[str, str]) -> None:
        """Forget a guest's watch; StoreError ENOENT."""
        kept = [watch for watch in self._watches if watch.key != key]
        if len(kept) == len(self._watches):
            raise StoreError("ENOENT")
        self._watches = kept

    def unwatch_all(self) -> None:
        """Forget all watches of the guest."""
        self._watches = [watch for watch in self._watches if watch.key is None]

    def _touch(self, path: str) -> None:
        if self._saved:
            self._changed.append(path)
        else:
            self._fire(path)

    def _fire(self, path: str) -> None:
        for watch in list(self._watches):
            if path == watch.path or path.startswith(watch.path + "/"):
                watch.event(path)

    @property
    def guests_watches(self) -> int:
        """How many watches guests have."""
        return sum(watch.key is not None for watch in self._watches)

    # --- transactions -------------------------------------------------------------------------------
    @property
    def open_transactions(self) -> int:
        """How many have begun and not ended."""
        return len(self._saved)

    def begin(self) -> int:
        """Start a transaction; its number."""
        self._transactions += 1
        self._saved[self._transactions] = dict(self._values)
        return self._transactions

    def end(self, number: int, commit: bool) -> None:
        """Keep or undo what was done since; StoreError ENOENT if there is no such transaction."""
        if number not in self._saved:
            raise StoreError("ENOENT")
        before = self._saved.pop(number)
        if not commit:
            self._values = before
        if not self._saved:
            changed, self._changed = self._changed, []
            for path in changed if commit else ():
                self._fire(path)
