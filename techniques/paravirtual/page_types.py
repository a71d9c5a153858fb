"""Types and reference counts of machine frames: the rules of direct paging.

Every frame has at most one type at a time. A frame is a page table of some level, or holds segment descriptors, or may
be mapped writable; while its type count is not zero it cannot become anything else. So no page table is ever writable.

    reference count   allocation to the domain, every mapping, every use of the type
    type count        uses that need the type: entries of a higher table, pins, roots in use; writable mappings

A table is validated when it takes its type, and its entries are released when its type count falls to zero. Where that
fails, nothing has changed, not even types that count for nothing: a journal undoes what was tried.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

import numpy as np

from hardware_model import counters as counter_table
from techniques.paravirtual.abi import Errno, ForeignFrame, HypercallError

_TYPE_CHANGES = counter_table.index("pv.type_change")
_FLUSHES = counter_table.index("pv.tlb_flush.type_change")


class FrameType(IntEnum):
    """What a frame is in use as; L1 to L4 equal the level."""

    NONE = 0
    L1 = 1
    L2 = 2
    L3 = 3
    L4 = 4
    SEGMENT_DESCRIPTORS = 5
    WRITABLE = 7

    @property
    def is_table(self) -> bool:
        """Whether frames of this type are page tables."""
        return FrameType.L1 <= self <= FrameType.L4


@dataclass(slots=True)
class Frame:
    """One machine frame of the domain; `released_at` is the flush time when its type count last fell to 0."""

    references: int = 0
    type: FrameType = FrameType.NONE
    type_count: int = 0
    validated: bool = False
    pinned: bool = False
    released_at: int = -1


class Contents(Protocol):
    """Whoever knows what the contents of a typed frame must look like."""

    def validate(self, mfn: int, kind: FrameType) -> None:
        """Check the frame and take the references that its contents need; HypercallError leaves none taken."""

    def release(self, mfn: int, kind: FrameType) -> None:
        """Give back the references that the frame's contents hold."""


class FreshFrames(dict[int, Frame]):
    """The frames `mfns` by number: each becomes a record when it is first looked at by itself.

    Until then it is as memory is at first or has mappings only, taken for whole tables at once and counted in arrays.
    """

    def __init__(self, mfns: range) -> None:
        super().__init__()
        self.mfns = mfns
        self._fresh = np.ones(len(mfns), bool)
        self._mappings = np.zeros(len(mfns), np.int32)
        self._writable = np.zeros(len(mfns), np.int32)  # of these mappings

    def __missing__(self, mfn: int) -> Frame:
        if mfn not in self.mfns:
            raise KeyError(mfn)
        at = mfn - self.mfns.start
        self._fresh[at] = False
        frame = self[mfn] = Frame(1 + self._mappings.item(at))
        if self._writable.item(at):
            frame.type, frame.type_count = FrameType.WRITABLE, self._writable.item(at)
            frame.validated = True
        return frame

    def map(self, mfns: np.ndarray, writable: np.ndarray) -> np.ndarray | None:
        """Take a mapping of each of `mfns`, some `writable`; those that become writable now.

        None, and nothing taken, unless all are frames of the domain that have no record yet.
        """
        if not len(mfns) or mfns.min() < self.mfns.start or mfns.max() >= self.mfns.stop:
            return None
        at = mfns - self.mfns.start
        if not self._fresh[at].all():
            return None
        now = np.unique(at[writable])
        now = now[self._writable[now] == 0]
        np.add.at(self._mappings, at, 1)
        np.add.at(self._writable, at[writable], 1)
        taken: np.ndarray = now + self.mfns.start
        return taken


class PageTypes:
    """The frames of one domain. `flush` empties the TLB; called when a type change could leave stale rights in it."""

    def __init__(
        self,
        mfns: range,
        contents: Contents,
        counters: counter_table.CounterArray,
        flush: Callable[[], None],
    ) -> None:
        self._own = mfns
        self._frames = FreshFrames(mfns)
        self._contents = contents
        self._counts = counters.data
        self._flush = flush
        self._flush_time = 0
        self._journal: list[Callable[[], None]] | None = None

    def __getitem__(self, mfn: int) -> Frame:
        """The frame, to look at; KeyError if it is not the domain's."""
        return self._frames[mfn]

    def mfns(self) -> Iterable[int]:
        """All machine frame numbers of the domain."""
        return (*self._own, *(mfn for mfn in self._frames if mfn not in self._own))

    def owns(self, mfn: int) -> bool:
        """Whether the domain owns the frame."""
        return mfn in self._own or mfn in self._frames

    def share(self, mfn: int) -> None:
        """A frame of the hypervisor that the domain may map writable, and use as nothing else."""
        self._frames[mfn] = Frame(
            references=2, type=FrameType.WRITABLE, type_count=1, validated=True
        )

    @contextmanager
    def all_or_nothing(self) -> Iterator[None]:
        """What is tried here leaves no trace if it ends with a HypercallError and has given its references back."""
        if self._journal is not None:  # part of something greater
            yield
            return
        journal: list[Callable[[], None]] = []
        self._journal = journal
        try:
            yield
        except HypercallError:
            for undo in reversed(journal):
                undo()
            raise
        finally:
            self._journal = None

    def on_failure(self, undo: Callable[[], None]) -> None:
        """Have `undo` called if what is being tried fails."""
        if self._journal is not None:
            self._journal.append(undo)

    def flushed(self) -> None:
        """The TLB has been emptied: stale rights are gone."""
        self._flush_time += 1

    def get_page(self, mfn: int) -> Frame:
        """Take a reference; HypercallError EINVAL if the frame is not the domain's."""
        try:
            frame = self._frames[mfn]
        except KeyError:
            raise ForeignFrame(Errno.EINVAL, mfn) from None
        if not frame.references:
            raise ForeignFrame(Errno.EINVAL, mfn)
        frame.references += 1
        return frame

    def put_page(self, mfn: int) -> None:
        """Give a reference back."""
        self._frames[mfn].references -= 1

    def get_page_type(self, mfn: int, kind: FrameType) -> None:
        """Use the frame as `kind`; HypercallError EINVAL if it is in use as something else, or fails validation."""
        frame = self._frames[mfn]
        if frame.type_count and frame.type is not kind:
            raise HypercallError(
                Errno.EINVAL, f"frame {mfn:#x} is in use as {frame.type.name}, not {kind.name}"
            )
        cannot_fail = frame.type is kind and frame.validated and self._journal is None
        if frame.type_count or cannot_fail:
            frame.type_count += 1
            return
        with self.all_or_nothing():
            self._take_type(mfn, frame, kind)

    def map_fresh(self, mfns: np.ndarray, writable: np.ndarray) -> bool:
        """Take what mappings of `mfns` need, some of them `writable`, at once: as one after the other.

        False, and nothing is taken, if it is not sure that all can be had, or that none makes the TLB stale.
        """
        changed = self._frames.map(mfns, writable)
        if changed is None:
            return False
        self._counts[_TYPE_CHANGES] += len(changed)
        self.on_failure(lambda: self._forget_types(changed))
        return True

    def _forget_types(self, mfns: np.ndarray) -> None:
        for mfn in mfns.tolist():
            frame = self._frames[mfn]
            frame.type, frame.validated, frame.released_at = FrameType.NONE, False, -1

    def _take_type(self, mfn: int, frame: Frame, kind: FrameType) -> None:
        before = frame.type, frame.validated, frame.released_at

        def undo() -> None:
            frame.type, frame.validated, frame.released_at = before

        self.on_failure(undo)
        if frame.type is not kind:
            self._change(frame, kind)
        frame.type_count += 1
        if not frame.validated:
            self._validate(mfn, frame, kind)

    def _change(self, frame: Frame, kind: FrameType) -> None:
        # Rights or table entries of the old type may still be cached, unless all was flushed since.
        if frame.type is not FrameType.NONE and frame.released_at == self._flush_time:
            self._counts[_FLUSHES] += 1
            self._flush()
            self.flushed()
        self._counts[_TYPE_CHANGES] += 1
        frame.type = kind
        frame.validated = kind is FrameType.WRITABLE

    def _validate(self, mfn: int, frame: Frame, kind: FrameType) -> None:
        try:
            self._contents.validate(mfn, kind)
        except HypercallError:
            frame.type_count = 0
            raise
        frame.validated = True

    def put_page_type(self, mfn: int) -> None:
        """One use of the frame's type ends; with the last one a table's entries are released."""
        frame = self._frames[mfn]
        frame.type_count -= 1
        if frame.type_count:
            return
        if frame.type.is_table and frame.validated:
            frame.validated = False
            self._contents.release(mfn, frame.type)
        frame.released_at = self._flush_time

    def get_page_and_type(self, mfn: int, kind: FrameType) -> None:
        """Reference and type together."""
        self.get_page(mfn)
        try:
            self.get_page_type(mfn, kind)
        except HypercallError:
            self.put_page(mfn)
            raise

    def put_page_and_type(self, mfn: int) -> None:
        """Give both back."""
        self.put_page_type(mfn)
        self.put_page(mfn)

    def pin(self, mfn: int, kind: FrameType) -> None:
        """Hold the frame's type until it is unpinned; EINVAL if it is pinned already."""
        self.get_page_and_type(mfn, kind)
        frame = self._frames[mfn]
        if frame.pinned:
            self.put_page_and_type(mfn)
            raise HypercallError(Errno.EINVAL, f"frame {mfn:#x} is already pinned")
        frame.pinned = True

    def unpin(self, mfn: int) -> None:
        """Undo a pin; EINVAL if there is none."""
        frame = self.get_page(mfn)
        try:
            if not frame.pinned:
                raise HypercallError(Errno.EINVAL, f"frame {mfn:#x} is not pinned")
            frame.pinned = False
            self.put_page_and_type(mfn)
        finally:
            self.put_page(mfn)
