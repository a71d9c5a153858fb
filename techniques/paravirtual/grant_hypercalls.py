"""The hypercall grant_table_op, as far as a domain with frontends needs it: its own table, and copies."""

from __future__ import annotations

from collections.abc import Callable

from techniques.paravirtual import abi
from techniques.paravirtual.abi import Errno, GrantOp, GrantStatus, HypercallError
from techniques.paravirtual.continuation import Continuation
from techniques.paravirtual.domain import Domain
from techniques.paravirtual.grant_table import GrantError

_VERSION = 1
_SINGLE = (GrantOp.SETUP_TABLE, GrantOp.QUERY_SIZE)  # take one record
_WITHOUT_COUNT = (GrantOp.SET_VERSION, GrantOp.GET_VERSION)
_COPY_BYTES, _COPY_STATUS = 40, 36


class GrantHypercalls:
    """The calls of one domain about grants. Mapping other domains' grants is the driver domain's business."""

    def __init__(self, domain: Domain) -> None:
        self._domain = domain
        self._memory = domain.memory
        self._grants = domain.grants
        self._operations: dict[int, tuple[int, Callable[[int], None]]] = {
            GrantOp.SETUP_TABLE: (24, self._setup_table),
            GrantOp.QUERY_SIZE: (16, self._query_size),
            GrantOp.SET_VERSION: (4, self._set_version),
            GrantOp.GET_VERSION: (8, self._get_version),
            GrantOp.COPY: (_COPY_BYTES, self._copy),
        }

    def grant_table_op(self, command: int, records: int, count: int, *_: int) -> int:
        """Process `count` records of `command`; each has its own status."""
        if command not in self._operations:
            raise HypercallError(Errno.ENOSYS, f"grant_table_op {command}")
        count &= 0xFFFFFFFF
        if count >> 31 or (command in _SINGLE and count != 1):
            raise HypercallError(Errno.EINVAL, f"{count} records of grant_table_op {command}")
        size, action = self._operations[command]
        for number in range(1 if command in _WITHOUT_COUNT else count):
            at = records + size * number
            if number and self._domain.preemption.due():
                raise Continuation(command, at, count - number)
            action(at)
        return 0

    def _is_self(self, domain: int) -> bool:
        return domain in (abi.DOMID_SELF, self._domain.number)

    def _setup_table(self, record: int) -> None:
        domain, frames, at = self._memory.unpack("H2xI8xQ", record)
        status = GrantStatus.OKAY
        if not self._is_self(domain):
            status = GrantStatus.PERMISSION_DENIED
        elif frames > abi.GRANT_FRAMES_MAXIMUM:
            status = GrantStatus.GENERAL_ERROR
        else:
            self._grants.grow(frames)
            mfns = [address >> 12 for address in self._grants.frames[:frames]]
            self._memory.pack(f"{frames}Q", at, *mfns)
        self._memory.pack("h", record + 8, status)

    def _query_size(self, record: int) -> None:
        (domain,) = self._memory.unpack("H", record)
        known = self._is_self(domain)
        sizes = (len(self._grants.frames), abi.GRANT_FRAMES_MAXIMUM) if known else (0, 0)
        status = GrantStatus.OKAY if known else GrantStatus.PERMISSION_DENIED
        self._memory.pack("IIh", record + 4, *sizes, status)

    def _set_version(self, record: int) -> None:
        (version,) = self._memory.unpack("I", record)
        self._memory.pack("I", record, _VERSION)
        if version != _VERSION:
            raise HypercallError(Errno.ENOSYS, f"grant tables of version {version}")

    def _get_version(self, record: int) -> None:
        self._memory.pack("I", record + 4, _VERSION)

    # --- copies between the domain's own frames and its grants to itself ------------------------------
    def _copy(self, record: int) -> None:
        source, destination = record, record + 16
        size, flags = self._memory.unpack("HH", record + 32)
        status = GrantStatus.OKAY
        try:
            data = self._read(source, size, bool(flags & abi.COPY_SOURCE_GRANT))
            self._write(destination, data, bool(flags & abi.COPY_DESTINATION_GRANT))
        except GrantError as error:
            status = error.status
        self._memory.pack("h", record + _COPY_STATUS, status)

    def _end(self, at: int) -> tuple[int, int]:
        what, domain, offset = self._memory.unpack("QHH", at)
        if not self._is_self(domain):
            raise GrantError(GrantStatus.BAD_DOMAIN, f"there is no domain {domain}")
        return what, offset

    def _read(self, at: int, size: int, granted: bool) -> bytes:
        what, offset = self._end(at)
        if granted:
            return self._grants.read(what & 0xFFFFFFFF, offset, size, self._domain.number)
        return self._own_frame(what, offset, size, None)

    def _write(self, at: int, data: bytes, granted: bool) -> None:
        what, offset = self._end(at)
        if granted:
            self._grants.write(what & 0xFFFFFFFF, offset, data, self._domain.number)
        else:
            self._own_frame(what, offset, len(data), data)

    def _own_frame(self, mfn: int, offset: int, size: int, data: bytes | None) -> bytes:
        """Read a frame of the domain, or store `data` in it as the domain itself could."""
        if offset + size > abi.PAGE:
            raise GrantError(GrantStatus.BAD_COPY_ARGUMENT, f"{size} bytes at {offset} of a frame")
        address, memory = (mfn << 12) + offset, self._grants.memory
        try:
            if data is not None:
                self._domain.tables.with_writable(mfn, lambda: memory.write(address, data))
                return data
            self._domain.types.get_page(mfn)
        except HypercallError as error:
            raise GrantError(GrantStatus.BAD_PAGE, str(error)) from None
        content = memory.read(address, size)
        self._domain.types.put_page(mfn)
        return content
