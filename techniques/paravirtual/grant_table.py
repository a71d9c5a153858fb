"""Grant tables: frames that the domain lets the driver domain use (Xen public header `grant_table.h`, version 1).

The table lies in Xen's frames, which the guest maps and writes. An entry is eight bytes:

    flags (16)   1 permit access, 4 read only; 8 read and 16 written while mapped, set by Xen
    domid (16)   who may use the frame
    frame (32)   the guest's machine frame

A back end is the driver domain's (number 0), whose code lies outside the modelled machine: it calls `map`, `unmap` and
`copy` here where it would make hypercalls, by the same rules. While a frame is mapped Xen holds a reference to it, of
the writable type if the mapping is, so that it can become no page table.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from hardware_model import counters as counter_table
from hardware_model.memory import MachineMemory
from techniques.frames import FrameAllocator
from techniques.paravirtual import abi
from techniques.paravirtual.abi import GrantFlag, GrantStatus, HypercallError
from techniques.paravirtual.page_types import FrameType, PageTypes

_MAPPED = counter_table.index("pv.grant_mapped")
_UNMAPPED = counter_table.index("pv.grant_unmapped")
_COPIES = counter_table.index("pv.grant_copy")
_COPIED = counter_table.index("pv.grant_copy.bytes")


class GrantError(Exception):
    """A grant operation that fails with `status`; the sentence says which rule was broken.

    `address` is the machine address of a frame that was not the domain's to give.
    """

    def __init__(self, status: GrantStatus, sentence: str, address: int | None = None) -> None:
        super().__init__(sentence)
        self.status, self.address = status, address


@dataclass(slots=True)
class Use:
    """What is held for one grant in use: how often mapped, and how often of these for writing."""

    mfn: int
    mappings: int = 0
    writers: int = 0


class GrantedPage:
    """A granted frame while the driver domain has it mapped: bytes by offset, IndexError outside the page."""

    def __init__(self, table: GrantTable, reference: int, mfn: int, writable: bool) -> None:
        self._table = table
        self.reference = reference
        self.address = mfn << 12
        self.writable = writable
        self.mapped = True

    def read(self, offset: int, size: int) -> bytes:
        """`size` bytes from `offset`."""
        self._check(offset, size)
        return self._table.memory.read(self.address + offset, size)

    def write(self, offset: int, data: bytes) -> None:
        """Store `data` at `offset`; GrantError PERMISSION_DENIED if the page was mapped for reading."""
        self._check(offset, len(data))
        if not self.writable:
            raise GrantError(
                GrantStatus.PERMISSION_DENIED, f"grant {self.reference} is mapped for reading"
            )
        self._table.memory.write(self.address + offset, data)

    def _check(self, offset: int, size: int) -> None:
        if not self.mapped:
            raise GrantError(GrantStatus.BAD_HANDLE, f"grant {self.reference} is mapped no longer")
        if offset < 0 or size < 0 or offset + size > abi.PAGE:
            raise IndexError(f"bytes {offset} to {offset + size} of a granted page")


class GrantTable:
    """The grants of one domain."""

    def __init__(
        self,
        memory: MachineMemory,
        frames: FrameAllocator,
        types: PageTypes,
        counters: counter_table.CounterArray,
    ) -> None:
        self.memory = memory
        self._allocator = frames
        self._types = types
        self._counts = counters.data
        self.frames: list[int] = []  # machine addresses
        self._uses: dict[int, Use] = {}

    def grow(self, frames: int) -> None:
        """Have at least this many frames of entries; IndexError beyond the maximum."""
        if frames > abi.GRANT_FRAMES_MAXIMUM:
            raise IndexError(f"{frames} frames of grant entries")
        while len(self.frames) < frames:
            self.frames.append(self._allocator.allocate())
            self.memory.zero_page(self.frames[-1])
            self._types.share(self.frames[-1] >> 12)

    # --- the driver domain's operations -------------------------------------------------------------
    def map(self, reference: int, *, write: bool, domain: int = abi.DOMID_BACKEND) -> GrantedPage:
        """GNTTABOP_map_grant_ref: the frame, held until `unmap`."""
        mfn = self._hold(reference, write, domain)
        self._counts[_MAPPED] += 1
        return GrantedPage(self, reference, mfn, write)

    def unmap(self, page: GrantedPage) -> None:
        """GNTTABOP_unmap_grant_ref: give the frame back."""
        if not page.mapped:
            raise GrantError(GrantStatus.BAD_HANDLE, f"grant {page.reference} is mapped no longer")
        page.mapped = False
        self._counts[_UNMAPPED] += 1
        self._let_go(page.reference, page.writable)

    def read(
        self, reference: int, offset: int, size: int, domain: int = abi.DOMID_BACKEND
    ) -> bytes:
        """GNTTABOP_copy out of a granted frame."""
        self._check_span(offset, size)
        mfn = self._hold(reference, False, domain)
        self._count_copy(size)
        try:
            return self.memory.read((mfn << 12) + offset, size)
        finally:
            self._let_go(reference, False)

    def write(
        self, reference: int, offset: int, data: bytes, domain: int = abi.DOMID_BACKEND
    ) -> None:
        """GNTTABOP_copy into a granted frame."""
        self._check_span(offset, len(data))
        mfn = self._hold(reference, True, domain)
        self._count_copy(len(data))
        self.memory.write((mfn << 12) + offset, data)
        self._let_go(reference, True)

    @staticmethod
    def _check_span(offset: int, size: int) -> None:
        if offset < 0 or size < 0 or offset + size > abi.PAGE:
            raise GrantError(
                GrantStatus.BAD_COPY_ARGUMENT, f"bytes {offset} to {offset + size} of a frame"
            )

    def _count_copy(self, size: int) -> None:
        self._counts[_COPIES] += 1
        self._counts[_COPIED] += size

    # --- entries ------------------------------------------------------------------------------------
    def _address(self, reference: int) -> int:
        frame, index = divmod(reference, abi.GRANTS_PER_FRAME)
        if reference < 0 or frame >= len(self.frames):
            raise GrantError(GrantStatus.BAD_REFERENCE, f"there is no grant {reference}")
        return self.frames[frame] + index * abi.GRANT_ENTRY_BYTES

    def _entry(self, reference: int) -> tuple[int, int, int]:
        flags, domain, frame = struct.unpack(
            "<HHI", self.memory.read(self._address(reference), abi.GRANT_ENTRY_BYTES)
        )
        return flags, domain, frame

    def frame(self, reference: int) -> int:
        """Machine address that the grant's entry names, whoever's it is; GrantError if there is no such entry."""
        return self._entry(reference)[2] << 12

    def _hold(self, reference: int, write: bool, domain: int) -> int:
        """Take the references of one more use, and tell the guest by the entry's flags; the machine frame."""
        flags, granted_to, frame = self._entry(reference)
        if flags & abi.GRANT_TYPE_MASK != GrantFlag.PERMIT_ACCESS or granted_to != domain:
            raise GrantError(
                GrantStatus.GENERAL_ERROR, f"grant {reference} gives domain {domain} no access"
            )
        if write and flags & GrantFlag.READONLY:
            raise GrantError(GrantStatus.GENERAL_ERROR, f"grant {reference} is for reading only")
        # A use keeps the frame that the entry named first, whatever the guest writes there meanwhile.
        use = self._uses.get(reference) or Use(frame)
        self._reference(reference, use.mfn, write)
        use.mappings += 1
        use.writers += write
        self._uses[reference] = use
        self._show_use(reference, use)
        return use.mfn

    def _reference(self, reference: int, mfn: int, write: bool) -> None:
        try:
            if write:
                self._types.get_page_and_type(mfn, FrameType.WRITABLE)
            else:
                self._types.get_page(mfn)
        except HypercallError as error:
            sentence = f"grant {reference}: {error}"
            raise GrantError(GrantStatus.BAD_PAGE, sentence, mfn << 12) from None

    def _let_go(self, reference: int, write: bool) -> None:
        use = self._uses[reference]
        use.mappings -= 1
        use.writers -= write
        if write:
            self._types.put_page_and_type(use.mfn)
        else:
            self._types.put_page(use.mfn)
        if not use.mappings:
            del self._uses[reference]
        self._show_use(reference, use)

    def _show_use(self, reference: int, use: Use) -> None:
        at = self._address(reference)
        (flags,) = struct.unpack("<H", self.memory.read(at, 2))
        flags &= ~(GrantFlag.READING | GrantFlag.WRITING)
        flags |= GrantFlag.READING if use.mappings else 0
        flags |= GrantFlag.WRITING if use.writers else 0
        self.memory.write(at, struct.pack("<H", flags))
