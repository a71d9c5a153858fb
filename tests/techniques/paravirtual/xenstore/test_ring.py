"""Xenstore's wire: requests in parts, replies longer than the ring, rights, watches."""

from __future__ import annotations

import struct

from techniques.paravirtual.xenstore import Store, StoreRing
from techniques.paravirtual.xenstore.ring import (
    NODES,
    TRANSACTIONS,
    VALUE_BYTES,
    WATCHES,
    Message,
)

HEADER = struct.Struct("<IIII")


class Page:
    """A guest that talks to the store through one page."""

    def __init__(self) -> None:
        self.bytes = bytearray(4096)
        self.store = Store()
        self.notified = 0
        self.ring = StoreRing(self, 0, self.store, 1, self._notify)  # type: ignore[arg-type]
        self.sent = 0
        self.taken = 0

    def _notify(self) -> None:
        self.notified += 1

    def read(self, at: int, size: int) -> bytes:
        return bytes(self.bytes[at : at + size])

    def write(self, at: int, data: bytes) -> None:
        self.bytes[at : at + len(data)] = data

    def put(self, data: bytes) -> None:
        for start in range(0, len(data), 1024):  # as much as the ring holds
            for byte in data[start : start + 1024]:
                self.bytes[self.sent % 1024] = byte
                self.sent += 1
            self.write(2052, struct.pack("<I", self.sent))
            self.ring.serve()

    def take(self) -> bytes:
        (producer,) = struct.unpack("<I", self.read(2060, 4))
        data = bytes(self.bytes[1024 + n % 1024] for n in range(self.taken, producer))
        self.taken = producer
        self.write(2056, struct.pack("<I", producer))
        return data

    def ask(self, kind: int, payload: bytes) -> tuple[int, bytes]:
        self.put(HEADER.pack(kind, 7, 0, len(payload)) + payload)
        reply = self.take()
        answer, number, _, size = HEADER.unpack_from(reply)
        assert number == 7
        return answer, reply[16 : 16 + size]


def test_relative_paths_are_the_domains_own() -> None:
    page = Page()
    assert page.ask(Message.WRITE, b"data/x\0value") == (Message.WRITE, b"OK\0")
    assert page.store.text("/local/domain/1/data/x") == "value"
    assert page.ask(Message.READ, b"/local/domain/1/data/x\0") == (Message.READ, b"value")
    assert page.ask(Message.DIRECTORY, b"data\0") == (Message.DIRECTORY, b"x\0")
    assert page.ask(Message.GET_DOMAIN_PATH, b"1\0")[1] == b"/local/domain/1\0"


def test_the_guest_changes_only_what_is_its_own() -> None:
    page = Page()
    page.store.write("/local/domain/0/backend/x", "theirs")
    for kind, payload in (
        (Message.WRITE, b"/local/domain/0/backend/x\0mine"),
        (Message.RM, b"/local/domain/0\0"),
        (Message.MKDIR, b"/local/domain/11\0"),
    ):
        assert page.ask(kind, payload) == (Message.ERROR, b"EACCES\0")
    assert page.store.text("/local/domain/0/backend/x") == "theirs"


def test_what_is_no_request_gets_an_error() -> None:
    page = Page()
    assert page.ask(99, b"") == (Message.ERROR, b"ENOSYS\0")
    assert page.ask(Message.WATCH, b"no-token") == (Message.ERROR, b"EINVAL\0")
    assert page.ask(Message.READ, b"nothing\0") == (Message.ERROR, b"ENOENT\0")


def test_a_request_may_come_in_parts_and_is_taken_out_of_the_ring_at_once() -> None:
    page = Page()
    message = HEADER.pack(Message.WRITE, 1, 0, 6) + b"a\0four"
    for byte in message[:-1]:
        page.put(bytes([byte]))
        assert page.read(2048, 4) == page.read(2052, 4)
    assert page.take() == b""
    page.put(message[-1:])
    assert page.take()[16:] == b"OK\0"
    assert page.store.text("/local/domain/1/a") == "four"


def test_a_long_reply_waits_for_room() -> None:
    page = Page()
    page.store.write("/local/domain/1/long", bytes(range(256)) * 8)
    page.put(HEADER.pack(Message.READ, 1, 0, 5) + b"long\0")
    received = page.take()
    assert len(received) == 1024
    while part := (page.ring.serve(), page.take())[1]:
        received += part
    assert received[16:] == bytes(range(256)) * 8


def test_a_watch_reports_its_path_at_once_and_changes_later() -> None:
    page = Page()
    page.put(HEADER.pack(Message.WATCH, 1, 0, 10) + b"device\0t1\0")
    reply = page.take()
    assert reply.endswith(HEADER.pack(Message.WATCH_EVENT, 0, 0, 10) + b"device\0t1\0")
    page.store.write("/local/domain/1/device/vbd", "1")
    assert page.take() == HEADER.pack(Message.WATCH_EVENT, 0, 0, 14) + b"device/vbd\0t1\0"


def test_a_domain_has_so_many_nodes_and_no_more() -> None:
    """Ancestors that are made on the way count too; those that are there can be written on."""
    page = Page()
    assert page.ask(Message.WRITE, b"a/b/c\0value")[0] == Message.WRITE
    for number in range(NODES - 3):
        assert page.ask(Message.MKDIR, b"a/%d\0" % number)[0] == Message.MKDIR
    full = (Message.ERROR, b"ENOSPC\0")
    assert page.ask(Message.MKDIR, b"a/one-more\0") == full
    assert page.ask(Message.WRITE, b"a/one-more\0value") == full
    assert page.ask(Message.WRITE, b"a/0\0value")[0] == Message.WRITE
    assert page.ask(Message.RM, b"a/1\0")[0] == Message.RM
    assert page.ask(Message.WRITE, b"a/two/more\0value") == full
    assert page.ask(Message.MKDIR, b"a/one-more\0")[0] == Message.MKDIR


def test_values_watches_and_transactions_have_their_limits() -> None:
    page = Page()
    assert page.ask(Message.WRITE, b"a\0" + bytes(VALUE_BYTES))[0] == Message.WRITE
    assert page.ask(Message.WRITE, b"a\0" + bytes(VALUE_BYTES + 1)) == (Message.ERROR, b"ENOSPC\0")
    for number in range(WATCHES):
        assert page.ask(Message.WATCH, b"b\0%d\0" % number)[0] == Message.WATCH
    assert page.ask(Message.WATCH, b"b\0more\0") == (Message.ERROR, b"E2BIG\0")
    for _ in range(TRANSACTIONS):
        assert page.ask(Message.TRANSACTION_START, b"\0")[0] == Message.TRANSACTION_START
    assert page.ask(Message.TRANSACTION_START, b"\0") == (Message.ERROR, b"ENOSPC\0")


def test_a_list_that_no_message_holds_is_an_error() -> None:
    page = Page()
    for number in range(200):
        page.store.write(f"/local/domain/1/{'long' * 8}{number}", "")
    assert page.ask(Message.DIRECTORY, b"\0") == (Message.ERROR, b"E2BIG\0")


def test_requests_of_a_guest_that_takes_no_replies_are_left_to_wait() -> None:
    """What is kept for it is bounded; when it takes its replies, all requests are answered."""
    page = Page()
    page.store.write("/local/domain/1/long", bytes(2000))
    request = HEADER.pack(Message.READ, 1, 0, 5) + b"long\0"
    sent = 0
    while page.read(2048, 4) == page.read(2052, 4):
        page.put(request)
        sent += 1
        assert sent < 1000
    assert len(page.ring._waiting) < 80_000
    received = b""
    while part := (page.ring.serve(), page.take())[1]:
        received += part
    assert len(received) == sent * (16 + 2000)


def test_indices_that_make_no_sense_write_nothing() -> None:
    page = Page()
    page.write(2056, struct.pack("<II", 5000, 1000))
    page.put(HEADER.pack(Message.READ, 1, 0, 5) + b"none\0")
    assert page.read(1024, 1024) == bytes(1024)
