"""The guest's connection to Xenstore: a page with two rings of bytes (Xen public header `io/xs_wire.h`).

    offset    0  requests, 1024 bytes      2048  request consumer, 2052 producer
           1024  replies, 1024 bytes       2056  reply consumer, 2060 producer

A message is a header (type, request, transaction, length; 32 bits each) and that many bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from enum import IntEnum

from techniques.guest import GuestMemory
from techniques.paravirtual.xenstore.store import Store, StoreError

_RING_BYTES, _REPLIES = 1024, 1024
_REQUEST_INDICES, _REPLY_INDICES = 2048, 2056
_HEADER = struct.Struct("<IIII")
_PAYLOAD_LIMIT = 4096
_DIRECTORY_ROOT = "/local/domain/"
# What xenstored lets one domain have; and how many bytes may wait for it or from it.
NODES, VALUE_BYTES, WATCHES, TRANSACTIONS = 1000, 2048, 128, 10
_WAITING_BYTES, _UNSERVED_BYTES = 64 << 10, 8 << 10


class Message(IntEnum):
    """XS_*: types of messages."""

    DIRECTORY = 1
    READ = 2
    GET_PERMS = 3
    WATCH = 4
    UNWATCH = 5
    TRANSACTION_START = 6
    TRANSACTION_END = 7
    GET_DOMAIN_PATH = 10
    WRITE = 11
    MKDIR = 12
    RM = 13
    SET_PERMS = 14
    WATCH_EVENT = 15
    ERROR = 16
    RESET_WATCHES = 21


class StoreRing:
    """Serves the guest's domain `number` from the page at its frame `frame`; `notify` tells it of replies."""

    def __init__(
        self, memory: GuestMemory, frame: int, store: Store, number: int, notify: Callable[[], None]
    ) -> None:
        self._memory = memory
        self._base = frame << 12
        self._store = store
        self._home = f"{_DIRECTORY_ROOT}{number}"
        self._number = number
        self._notify = notify
        self._requests = b""  # that have come, the last one perhaps in part
        self._waiting = b""  # replies that the ring had no room for
        self._handlers: dict[int, Callable[[int, list[bytes]], bytes]] = {
            Message.DIRECTORY: lambda _, a: b"".join(
                name.encode() + b"\0" for name in store.directory(self._path(a[0]))
            ),
            Message.READ: lambda _, a: store.read(self._path(a[0])),
            Message.GET_PERMS: self._permissions,
            Message.WATCH: self._watch,
            Message.UNWATCH: lambda _, a: _done(lambda: store.unwatch(_key(a))),
            Message.TRANSACTION_START: self._begin,
            Message.TRANSACTION_END: lambda n, a: _done(lambda: store.end(n, a[0] == b"T")),
            Message.GET_DOMAIN_PATH: lambda _, a: _DIRECTORY_ROOT.encode() + a[0] + b"\0",
            Message.WRITE: self._write,
            Message.MKDIR: lambda _, a: _done(lambda: store.make(self._new(a[0]))),
            Message.RM: lambda _, a: _done(lambda: store.remove(self._own(a[0]))),
            Message.SET_PERMS: lambda _, a: _done(lambda: store.read(self._own(a[0]))),
            Message.RESET_WATCHES: lambda *_: _done(store.unwatch_all),
        }

    # --- rings --------------------------------------------------------------------------------------
    def serve(self) -> None:
        """Answer the requests that are complete, until too much waits for the guest to take it."""
        if len(self._requests) < _UNSERVED_BYTES:
            self._receive()
        while len(self._waiting) < _WAITING_BYTES and (request := self._take()) is not None:
            kind, number, transaction, payload = request
            answer, body, after = self._answer(kind, transaction, payload)
            self._waiting += _HEADER.pack(answer, number, transaction, len(body)) + body
            if after is not None:
                self._event(*after)
        self._flush()

    def _indices(self, at: int) -> tuple[int, int]:
        consumer, producer = struct.unpack("<II", self._memory.read(self._base + at, 8))
        return consumer, producer

    def _receive(self) -> None:
        """Take all bytes out of the ring, parts of messages too: it tells only of those put into an empty one."""
        consumer, producer = self._indices(_REQUEST_INDICES)
        available = producer - consumer & 0xFFFFFFFF
        if not available or available > _RING_BYTES:
            return
        ring, start = self._memory.read(self._base, _RING_BYTES), consumer % _RING_BYTES
        self._requests += (ring[start:] + ring[:start])[:available]
        self._memory.write(self._base + _REQUEST_INDICES, struct.pack("<I", producer))
        self._notify()

    def _take(self) -> tuple[int, int, int, bytes] | None:
        """The next complete message."""
        if len(self._requests) < _HEADER.size:
            return None
        kind, number, transaction, length = _HEADER.unpack_from(self._requests)
        size = _HEADER.size + min(length, _PAYLOAD_LIMIT)
        if len(self._requests) < size:
            return None
        payload, self._requests = self._requests[_HEADER.size : size], self._requests[size:]
        return kind, number, transaction, payload

    def _flush(self) -> None:
        """Put what fits of the waiting replies into the ring, and tell the guest."""
        consumer, producer = self._indices(_REPLY_INDICES)
        room = max(0, _RING_BYTES - (producer - consumer & 0xFFFFFFFF))
        part, self._waiting = self._waiting[:room], self._waiting[room:]
        for offset, value in enumerate(part):
            at = self._base + _REPLIES + (producer + offset) % _RING_BYTES
            self._memory.write(at, bytes([value]))
        if part:
            end = producer + len(part) & 0xFFFFFFFF
            self._memory.write(self._base + _REPLY_INDICES + 4, struct.pack("<I", end))
            self._notify()

    # --- requests -----------------------------------------------------------------------------------
    def _answer(
        self, kind: int, transaction: int, payload: bytes
    ) -> tuple[int, bytes, tuple[str, str] | None]:
        """Type and body of the reply; and of a new watch, the event that follows it."""
        arguments = payload.split(b"\0")
        handler = self._handlers.get(kind)
        try:
            if handler is None:
                raise StoreError("ENOSYS")
            body = handler(transaction, arguments)
            if len(body) > _PAYLOAD_LIMIT:
                raise StoreError("E2BIG")
        except StoreError as error:
            return Message.ERROR, str(error).encode() + b"\0", None
        except IndexError:
            return Message.ERROR, b"EINVAL\0", None
        return kind, body, _key(arguments) if kind == Message.WATCH else None

    def _path(self, given: bytes) -> str:
        path = given.decode("latin-1")
        if not path.startswith("/"):
            return f"{self._home}/{path}" if path else self._home
        return path.rstrip("/")

    def _own(self, given: bytes) -> str:
        """A path that the guest may change: its own; StoreError EACCES otherwise."""
        path = self._path(given)
        if not path.startswith(self._home + "/"):
            raise StoreError("EACCES")
        return path

    def _new(self, given: bytes) -> str:
        """The same, if the guest may have the nodes that it adds; StoreError ENOSPC otherwise."""
        path = self._own(given)
        added = self._store.would_make(path)
        if added and self._store.nodes_below(self._home) + added > NODES:
            raise StoreError("ENOSPC")
        return path

    def _write(self, _: int, arguments: list[bytes]) -> bytes:
        value = b"\0".join(arguments[1:])
        if len(value) > VALUE_BYTES:
            raise StoreError("ENOSPC")
        self._store.write(self._new(arguments[0]), value)
        return b"OK\0"

    def _begin(self, *_: object) -> bytes:
        if self._store.open_transactions >= TRANSACTIONS:
            raise StoreError("ENOSPC")
        return b"%d\0" % self._store.begin()

    def _permissions(self, _: int, arguments: list[bytes]) -> bytes:
        self._store.read(self._path(arguments[0]))
        return b"n%d\0" % self._number

    def _watch(self, _: int, arguments: list[bytes]) -> bytes:
        given, token = _key(arguments)
        if self._store.guests_watches >= WATCHES:
            raise StoreError("E2BIG")
        path = given if given.startswith("@") else self._path(arguments[0])

        def event(changed: str) -> None:
            relative = not given.startswith(("/", "@"))
            self._event(changed[len(self._home) + 1 :] if relative else changed, token)
            self._flush()

        self._store.watch(path, event, (given, token))
        return b"OK\0"

    def _event(self, path: str, token: str) -> None:
        body = f"{path}\0{token}\0".encode("latin-1")
        self._waiting += _HEADER.pack(Message.WATCH_EVENT, 0, 0, len(body)) + body


def _key(arguments: list[bytes]) -> tuple[str, str]:
    return arguments[0].decode("latin-1"), arguments[1].decode("latin-1")


def _done(action: Callable[[], object]) -> bytes:
    action()
    return b"OK\0"
