"""Code and stack segments that a guest kernel returns to, checked as the processor's IRET does (SDM vol. 2A, IRET)."""

from __future__ import annotations

from collections.abc import Callable

from hardware_model.descriptors import SegmentDescriptor
from hardware_model.executor.registers import Segment
from techniques.paravirtual import abi
from techniques.technique import GuestError

_SEGMENT_NOT_PRESENT, _STACK_FAULT, _GENERAL_PROTECTION = 11, 12, 13
_CODE, _CONFORMING, _WRITABLE = 8, 4, 2  # bits of a segment's type
_USER = 3
FLAT_CODE = Segment(abi.FLAT_CODE64, 0, 0xFFFFFFFF, 0x00AFFB00)
FLAT_DATA = Segment(abi.FLAT_DATA, 0, 0xFFFFFFFF, 0x00CFF300)


class SegmentFault(Exception):
    """The processor would not load the segment: the exception's `vector` and error code."""

    def __init__(self, vector: int, error: int) -> None:
        super().__init__(f"exception {vector} with error code {error:#x}")
        self.vector = vector
        self.error = error


class GuestSegments:
    """`descriptor` gives the eight bytes of a selector in the table in use; None beyond its end."""

    def __init__(self, descriptor: Callable[[int], bytes | None]) -> None:
        self._descriptor = descriptor

    def returned_to(self, code: int, data: int) -> tuple[Segment, Segment]:
        """CS and SS for these selectors, whose privilege level Xen makes 3.

        Raises SegmentFault; GuestError for 32-bit code, which is not run here.
        """
        if (code, data) == (FLAT_CODE.selector, FLAT_DATA.selector):
            return FLAT_CODE, FLAT_DATA
        return self._code(code), self._stack(data)

    def _code(self, selector: int) -> Segment:
        found = self._look_up(selector)
        private = not found.type & _CONFORMING and found.dpl != _USER
        if found.system or not found.type & _CODE or private:
            raise SegmentFault(_GENERAL_PROTECTION, selector & ~3)
        if not found.present:
            raise SegmentFault(_SEGMENT_NOT_PRESENT, selector & ~3)
        if not found.long:
            raise GuestError(f"the guest returned to 32-bit code (CS {selector:#x})")
        return _loaded(selector, found)

    def _stack(self, selector: int) -> Segment:
        found = self._look_up(selector)
        usable = found.type & (_CODE | _WRITABLE) == _WRITABLE
        if found.system or not usable or found.dpl != _USER:
            raise SegmentFault(_GENERAL_PROTECTION, selector & ~3)
        if not found.present:
            raise SegmentFault(_STACK_FAULT, selector & ~3)
        return _loaded(selector, found)

    def _look_up(self, selector: int) -> SegmentDescriptor:
        raw = None if selector & 4 or selector < 4 else self._descriptor(selector)
        if raw is None:  # the null selector, or one of the LDT that there is not
            raise SegmentFault(_GENERAL_PROTECTION, selector & ~3)
        return SegmentDescriptor.decode(raw + bytes(8))


def _loaded(selector: int, found: SegmentDescriptor) -> Segment:
    return Segment(selector, found.base, found.limit, found.cache_flags)
