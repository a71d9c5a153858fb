"""Guest memory by linear address, as the guest's own tables translate and protect it.

Every access on the guest's behalf (operands, stacks, descriptors) goes through here: it faults as the
processor's access would, sets accessed and dirty flags, and tells the shadow pager of stores.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator

from hardware_model.canonical import is_canonical
from techniques.deprivileged.exceptions import (
    GENERAL_PROTECTION,
    PAGE_FAULT,
    STACK_FAULT,
    GuestException,
)
from techniques.guest import GuestMemory
from techniques.shadow.guest_walk import LOAD, SMAP_LIFTED, STORE, USER, GuestWalker
from techniques.technique import GuestError

_MASK = (1 << 64) - 1
_PAGE = 0x1000


class LinearMemory:
    """`walker` walks the guest's tables in `memory`; `written(gpa, size)` is told of stores.

    Raises GuestException (a page fault) where the guest may not access, and GuestError where the
    access would reach a device. A non-canonical address is #GP(0), on the
    stack #SS(0).
    """

    def __init__(
        self, memory: GuestMemory, walker: GuestWalker, written: Callable[[int, int], None]
    ) -> None:
        self._memory = memory
        self._walker = walker
        self._written = written

    def _pieces(
        self, linear: int, size: int, write: bool, user: bool, ac: bool, stack: bool
    ) -> Iterator[tuple[int, int]]:
        """(guest-physical address, bytes) of the parts in each page."""
        if not is_canonical(linear & _MASK):
            raise GuestException(STACK_FAULT if stack else GENERAL_PROTECTION, 0)
        access = STORE if write else LOAD
        access += (USER if user else 0) + (SMAP_LIFTED if ac else 0)
        while size > 0:
            part = min(size, _PAGE - linear % _PAGE)
            found = self._walker.walk(linear, access)
            if isinstance(found, int):
                raise GuestException(PAGE_FAULT, found, linear & _MASK)
            if found.gpa + part > self._memory.size:
                raise GuestError(
                    f"the guest has a stack, descriptor or operand at {linear:#x}, where there is no RAM"
                )
            yield found.gpa, part
            linear, size = linear + part, size - part

    def read(
        self, linear: int, size: int, *, user: bool = False, ac: bool = False, stack: bool = False
    ) -> bytes:
        """`size` bytes at `linear`.

        `user`: an access of user code; `ac`: EFLAGS.AC lifts SMAP; `stack`: through SS.
        """
        pieces = self._pieces(linear, size, False, user, ac, stack)
        return b"".join([self._memory.read(gpa, part) for gpa, part in pieces])

    def read_integer(
        self, linear: int, size: int, *, user: bool = False, ac: bool = False, stack: bool = False
    ) -> int:
        """The little-endian integer of `size` bytes at `linear`."""
        return int.from_bytes(self.read(linear, size, user=user, ac=ac, stack=stack), "little")

    def push(self, stack: int, words: list[int], *, user: bool = False) -> int:
        """Push `words` in order on a stack at `stack`; its new top. A fault names the word that it hit."""
        top = stack - 8 * len(words)
        if top >> 12 == stack - 8 >> 12:
            self.check_write(stack - 8, 8, user=user, stack=True)
            self.write(top, struct.pack(f"<{len(words)}Q", *reversed(words)), user=user)
        else:
            for number, word in enumerate(words, 1):
                data = word.to_bytes(8, "little")
                self.write(stack - 8 * number, data, user=user, stack=True)
        return top & _MASK

    def check_write(
        self, linear: int, size: int, *, user: bool = False, ac: bool = False, stack: bool = False
    ) -> None:
        """Fault as a store of `size` bytes at `linear` would."""
        for _ in self._pieces(linear, size, True, user, ac, stack):
            pass

    def write(
        self, linear: int, data: bytes, *, user: bool = False, ac: bool = False, stack: bool = False
    ) -> None:
        """Store `data` at `linear`, all of it or, with a fault, nothing."""
        at = 0
        for gpa, part in tuple(self._pieces(linear, len(data), True, user, ac, stack)):
            self._memory.write(gpa, data[at : at + part])
            self._written(gpa, part)
            at += part
