"""DMA remapping said once more, without tables or caches: what a request may come to.

A domain is a dictionary of pages. Software's changes take effect for new translations at once; a translation that devices
have used may serve on until an invalidation covers it, and the unit that is tested keeps it if it has room.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from hardware_model.vtd.fault_reasons import FaultReason

SMALL = 4096


class Kind(Enum):
    """What a device's context entry says."""

    ABSENT = 0
    TRANSLATED = 1
    PASS_THROUGH = 2


@dataclass(frozen=True)
class Page:
    """A mapping: `size` bytes at `frame`, which devices may `read` and `write`."""

    frame: int
    size: int
    read: bool
    write: bool


@dataclass(frozen=True)
class Attachment:
    """A device's domain and the width of its addresses."""

    kind: Kind
    domain: int = 0
    bits: int = 48


@dataclass
class ReferenceModel:
    """Current mappings by domain and first address, and what devices may still use of earlier ones."""

    pages: dict[tuple[int, int], Page] = field(default_factory=dict)
    attachments: dict[int, Attachment] = field(default_factory=dict)
    used_pages: dict[tuple[int, int], Page] = field(default_factory=dict)
    used_attachments: dict[int, Attachment] = field(default_factory=dict)

    def access(self, device: int, address: int, write: bool) -> int | FaultReason:
        """The machine address that a request within one page reaches, or why it is blocked."""
        attachment = self.used_attachments.get(device) or self.attachments.get(
            device, Attachment(Kind.ABSENT)
        )
        if attachment.kind is Kind.ABSENT:
            return FaultReason.CONTEXT_NOT_PRESENT
        self.used_attachments[device] = attachment
        bits = 48 if attachment.kind is Kind.PASS_THROUGH else attachment.bits
        if address >= 2**bits:
            return FaultReason.BEYOND_WIDTH
        if attachment.kind is Kind.PASS_THROUGH:
            return address
        denied = FaultReason.WRITE_DENIED if write else FaultReason.READ_DENIED
        first, page = self._page(attachment.domain, address)
        if page is None:
            return denied
        self.used_pages[attachment.domain, first] = page
        if not (page.write if write else page.read):
            return denied
        return page.frame + (address - first)

    def _page(self, domain: int, address: int) -> tuple[int, Page | None]:
        for held in (self.used_pages, self.pages):
            for (owner, first), page in held.items():
                if owner == domain and first <= address < first + page.size:
                    return first, page if page.read or page.write else None
        return 0, None

    def invalidate_pages(self, domain: int | None, first: int = 0, end: int = 2**64) -> None:
        """Uses of translations of [first, end) end, of one domain or of all."""
        for owner, at in list(self.used_pages):
            page = self.used_pages[owner, at]
            if domain in (None, owner) and at < end and first < at + page.size:
                del self.used_pages[owner, at]

    def invalidate_attachments(self, domain: int | None, device: int | None) -> None:
        """Uses of context entries end: of all, of a domain's, or of a device that is in the domain."""
        for known, attachment in list(self.used_attachments.items()):
            if domain in (None, attachment.domain) and device in (None, known):
                del self.used_attachments[known]
