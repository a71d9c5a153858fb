"""The contract of a shadow-paging policy."""

from __future__ import annotations

from abc import ABC, abstractmethod

from techniques.shadow.errors import ShadowError
from techniques.shadow.guest_walk import GuestTranslation
from techniques.shadow.paging_mode import PagingMode


class Policy(ABC):
    """How shadow tables follow the guest's tables.

    The caller finishes owed TLB flushes after each operation.
    """

    @property
    @abstractmethod
    def root(self) -> int:
        """Machine address of the active shadow root."""

    @abstractmethod
    def enter(self, gfn: int, mode: PagingMode) -> None:
        """Use the tables whose root is guest frame `gfn`; nothing may be cached any more."""

    @abstractmethod
    def cr3_written(self, gfn: int) -> None:
        """The guest loaded CR3: only global translations may be cached still."""

    @abstractmethod
    def fill(self, va: int, translation: GuestTranslation, rights: int, write: bool) -> bool:
        """Shadow a translation that the guest's tables permit, as a leaf with `rights`.

        False means that a write must be emulated: it goes to a traced table.
        """

    @abstractmethod
    def forget(self, va: int) -> None:
        """Drop what is not certain about `va`, since the guest invalidated it or faulted."""

    @abstractmethod
    def table_written(self, gpa: int, size: int) -> None:
        """The VMM stored `size` bytes at `gpa` for the guest."""

    def watch(self, gfn: int) -> None:
        """Have writes to guest frame `gfn` emulated, so that the VMM sees them."""
        raise ShadowError("this shadow-paging policy cannot watch frames")

    def unwatch(self, gfn: int) -> None:
        """The VMM need not see writes to a frame that it has watched."""
        raise ShadowError("this shadow-paging policy cannot watch frames")

    def is_traced(self, gfn: int) -> bool:
        """Whether writes to guest frame `gfn` are emulated."""
        return False

    @abstractmethod
    def check(self) -> None:
        """Raise Inconsistent unless every shadow entry is what this policy promises."""
