"""Exceptions that emulation raises in the guest, as the processor would (Intel SDM vol. 3A section 6.15)."""

from __future__ import annotations

from hardware_model.vectors import NUMBER

DEBUG, DOUBLE_FAULT, INVALID_OPCODE = NUMBER["db"], NUMBER["df"], NUMBER["ud"]
NOT_PRESENT, STACK_FAULT = NUMBER["np"], NUMBER["ss"]
GENERAL_PROTECTION, PAGE_FAULT, INVALID_TSS = NUMBER["gp"], NUMBER["pf"], NUMBER["ts"]
_CONTRIBUTORY = frozenset(NUMBER[name] for name in ("de", "ts", "np", "ss", "gp"))


class GuestException(Exception):
    """The guest takes exception `vector`; `error` is None for vectors without an error code.

    `address` is the linear address of a page fault.
    """

    def __init__(self, vector: int, error: int | None = None, address: int = 0) -> None:
        super().__init__(vector, error, address)
        self.vector = vector
        self.error = error
        self.address = address


def general_protection(error: int = 0) -> GuestException:
    """#GP with `error`, 0 or a selector."""
    return GuestException(GENERAL_PROTECTION, error)


def invalid_opcode() -> GuestException:
    """#UD."""
    return GuestException(INVALID_OPCODE)


def following(first: int, second: GuestException) -> GuestException | None:
    """What the guest takes when `second` is raised while exception `first` is delivered.

    None is the triple fault (SDM vol. 3A table 6-5).
    """
    serious = second.vector in _CONTRIBUTORY or second.vector == PAGE_FAULT
    if first == DOUBLE_FAULT and serious:
        return None
    if first in _CONTRIBUTORY and second.vector in _CONTRIBUTORY:
        return GuestException(DOUBLE_FAULT, 0)
    if first == PAGE_FAULT and serious:
        return GuestException(DOUBLE_FAULT, 0)
    return second
