"""Random lives of a remapping unit, each step done by the unit and by the reference model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hardware_model.devices.dma import DmaBlocked
from hardware_model.vtd.fault_reasons import FaultReason
from hardware_model.vtd.invalidation import Granularity
from hardware_model.vtd.invalidation_queue import context_descriptor, iotlb_descriptor
from hardware_model.vtd.tables import READ, WRITE, AddressWidth, TranslationType
from tests.hardware_model.vtd.bench import DATA, MIB, RAM, Bench
from tests.hardware_model.vtd.reference_model import Attachment, Kind, Page, ReferenceModel

DOMAINS, DEVICES = (1, 2, 7), (0x08, 0x09, 0x310)
# Places for pages of each level, the last one beyond 39 bits.
PLACES = {
    1: [*(page << 12 for page in range(4)), 0x1FF000, 1 << 40],
    2: [4 << 21, 5 << 21, (1 << 40) + (1 << 21)],
    3: [2 << 30, 3 << 30],
}
FRAMES = {
    1: [DATA + page * 4096 for page in range(8)],
    2: [DATA, DATA + 2 * MIB, 2 * DATA],
    3: [0],
}
_LEVELS = (1, 1, 1, 2, 2, 3)
_KINDS = (*(Kind.TRANSLATED,) * 6, Kind.PASS_THROUGH, Kind.ABSENT)
OFFSETS = (0, 8, 0xFF8, 0x1008, DATA, DATA + 0x3010)


@dataclass(frozen=True)
class Step:
    """One action of software or of a device: a name and numbers that are reduced to what there is to choose."""

    action: str
    a: int = 0
    b: int = 0
    c: int = 0
    d: int = 0


class Mismatch(AssertionError):
    """The unit and the reference differ."""


class Life:
    """A unit and its reference."""

    def __init__(self) -> None:
        self.bench = Bench()
        self.reference = ReferenceModel()
        self.bench.start()
        self.roots = {
            (domain, width): self.bench.table() for domain in DOMAINS for width in AddressWidth
        }

    def do(self, step: Step) -> None:
        """Do the step on both."""
        _ACTIONS[step.action](self, step)

    def map(self, step: Step) -> None:
        """Map a page with some permissions, none included: then it is unmapped."""
        domain, level = DOMAINS[step.a % 3], _LEVELS[step.b % 6]
        at = PLACES[level][step.c % len(PLACES[level])]
        frame, permissions = FRAMES[level][step.d % len(FRAMES[level])], step.d // 8 % 4
        for width in AddressWidth:
            if at < 1 << width.bits:
                root = self.roots[domain, width]
                if permissions:
                    self.bench.map(root, at, frame, permissions, width.levels, level)
                else:
                    where = list(self.bench.entries(root, at, width.levels, level))[-1]
                    self.bench.memory.write64(where, 0)
        size = 1 << 12 + 9 * (level - 1)
        page = Page(frame, size, bool(permissions & READ), bool(permissions & WRITE))
        self.reference.pages[domain, at] = page

    def attach(self, step: Step) -> None:
        """Give a device to a domain, to pass-through, or to nobody."""
        device, domain = DEVICES[step.a % 3], DOMAINS[step.b % 3]
        width = AddressWidth(step.c % 2 + 1)
        kind = _KINDS[step.d % len(_KINDS)]
        entry = self.bench.attach(
            device,
            domain,
            self.roots[domain, width],
            width,
            TranslationType.PASS_THROUGH
            if kind is Kind.PASS_THROUGH
            else TranslationType.TRANSLATED,
        )
        if kind is Kind.ABSENT:
            self.bench.put_pair(entry, (0, 0))
        self.reference.attachments[device] = Attachment(kind, domain, width.bits)

    def invalidate(self, step: Step) -> None:
        """Invalidate the IOTLB."""
        domain, level = DOMAINS[step.a % 3], _LEVELS[step.b % 6]
        place = PLACES[level][step.c % len(PLACES[level])]
        match step.d % 8:
            case 0:
                self.bench.queue(iotlb_descriptor(Granularity.GLOBAL))
                self.reference.invalidate_pages(None)
            case 1:
                self.bench.queue(iotlb_descriptor(Granularity.DOMAIN, domain))
                self.reference.invalidate_pages(domain)
            case _:
                mask = (0, 1, 2, 3, 9, 10)[step.d // 8 % 6]
                self.bench.queue(iotlb_descriptor(Granularity.SELECTIVE, domain, place, mask))
                first = place // (4096 << mask) * (4096 << mask)
                self.reference.invalidate_pages(domain, first, first + (4096 << mask))

    def invalidate_contexts(self, step: Step) -> None:
        """Invalidate the context cache; what was cached of domains stays."""
        device, domain = DEVICES[step.a % 3], DOMAINS[step.b % 3]
        granularity = Granularity(step.c % 3 + 1)
        self.bench.queue(context_descriptor(granularity, domain, device))
        self.reference.invalidate_attachments(
            None if granularity is Granularity.GLOBAL else domain,
            device if granularity is Granularity.SELECTIVE else None,
        )

    def access(self, step: Step) -> None:
        """A device reads or writes, now and then across a page boundary or nothing at all."""
        device, level = DEVICES[step.a % 3], _LEVELS[step.b % 6]
        at = PLACES[level][step.c % len(PLACES[level])] + OFFSETS[step.d % len(OFFSETS)]
        size, write = (8, 8, 16, 1)[step.d // 8 % 4], bool(step.d // 32 % 2)
        expected, fault = self._expected(device, at, size, write)
        data = bytes((step.a + step.d + n) & 0xFF for n in range(size))
        before = [self._byte(place) for place in expected]
        got, seen = self._request(device, at, data if write else size)
        records = [(reason, page, read) for _, page, reason, read in self.bench.records()]
        if records != ([] if fault is None else [(*fault, not write)]):
            raise Mismatch(f"{step}: recorded {records}, expected {fault}")
        if write:
            after = bytes(self._byte(place) for place in expected)
            if after != data[: len(expected)]:
                raise Mismatch(f"{step}: {after!r} was stored")
            for place, old in zip(expected, before, strict=True):  # the pattern stays
                self.bench.memory.bytes[place] = old
        elif seen and got != bytes(before):
            raise Mismatch(f"{step}: read {got!r}, expected {bytes(before)!r}")
        if seen != (len(expected) == size):
            raise Mismatch(f"{step}: {'done' if seen else 'blocked'}")

    def _byte(self, place: int) -> int:
        return self.bench.memory.bytes[place]

    def _expected(
        self, device: int, at: int, size: int, write: bool
    ) -> tuple[list[int], tuple[FaultReason, int] | None]:
        """Machine addresses of the bytes that are transferred, and the fault that ends it."""
        places: list[int] = []
        while size:
            length = min(size, 4096 - at % 4096)
            found = self.reference.access(device, at, write)
            if isinstance(found, FaultReason):
                return places, (found, at // 4096 * 4096)
            if found + length > RAM:
                return places, None
            places += range(found, found + length)
            at, size = at + length, size - length
        return places, None

    def _request(self, device: int, at: int, what: bytes | int) -> tuple[bytes, bool]:
        try:
            if isinstance(what, bytes):
                self.bench.unit.write(device, at, what)
                return b"", True
            return self.bench.unit.read(device, at, what), True
        except DmaBlocked:
            return b"", False


_ACTIONS: dict[str, Callable[[Life, Any], None]] = {
    "map": Life.map,
    "attach": Life.attach,
    "invalidate": Life.invalidate,
    "invalidate contexts": Life.invalidate_contexts,
    "access": Life.access,
}
ACTIONS = (*("map",) * 3, "attach", "invalidate", "invalidate contexts", *("access",) * 5)
