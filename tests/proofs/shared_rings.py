"""Forging what guest and back end share: virtqueues, Xen's block and network rings, grants, console and Xenstore.

The stores are those that the guest's own kernel could make, between two of its instructions.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from random import Random

from hardware_model.boot import KERNEL_BASE
from techniques.paravirtual import Paravirtual
from techniques.paravirtual.hypercall_table import BY_NAME
from techniques.technique import Technique
from tests.proofs.forged_words import MASK, Ring, number, scatter

PAGE = 0x1000
_DIRECT_MAP = 0xFFFF_8800_0000_0000
_VIRTQUEUES = (
    "virtio_disk_queue",
    "receive_queue",
    "send_queue",
)  # records whose first word points to two pages
_XEN_RINGS = ("xen_disk_ring", "xen_send_ring", "xen_receive_ring")  # pointers to a page
_CONSOLE, _STORE = 0x2000, 0x3000  # of a guest of our own, guest-physical
_EVENT_CHANNEL_OP, _SEND = BY_NAME["event_channel_op"].number, 4


def _physical(linear: int) -> int:
    return linear - (_DIRECT_MAP if linear < KERNEL_BASE else KERNEL_BASE)


def rings(guest: Technique) -> Iterator[Ring]:
    """Machine address and size of the rings that the guest has set up so far."""
    symbols, memory = guest.image.symbols, guest.memory
    for names, size in ((_VIRTQUEUES, 2 * PAGE), (_XEN_RINGS, PAGE)):
        for name in names:
            pointer = memory.read64(_physical(symbols[name])) if name in symbols else 0
            if pointer:
                yield memory.base + _physical(pointer), size
    if isinstance(guest, Paravirtual):
        yield memory.base + _CONSOLE, PAGE
        yield memory.base + _STORE, PAGE
        for frame in guest.domain.grants.frames:
            yield frame, PAGE


def request(guest: Technique, chance: Random) -> int:
    """Put a request into a ring whose form is right, and whose addresses, lengths and numbers are random; 1 if there is
    a ring."""
    if isinstance(guest, Paravirtual):
        pointer = guest.memory.read64(_physical(guest.image.symbols["xen_disk_ring"]))
        if pointer:
            _block_request(guest, guest.memory.base + _physical(pointer), chance)
        return bool(pointer)
    queues = [at for at, size in rings(guest) if size == 2 * PAGE]
    if queues:
        _chain(guest, chance.choice(queues), chance)
    return bool(queues)


def _chain(guest: Technique, queue: int, chance: Random) -> None:
    """Up to four descriptors of a virtqueue, made available."""
    memory, head = guest.machine.memory, chance.randrange(124)
    length = chance.randrange(1, 5)
    for at in range(head, head + length):
        address = number(guest, chance) & MASK
        size = chance.choice((1, 16, 512, 4096, chance.randrange(1 << 32)))
        flags = chance.choice((0, 2)) | (at < head + length - 1)
        memory.write(queue + 16 * at, struct.pack("<QIHH", address, size, flags, at + 1))
    (index,) = struct.unpack("<H", memory.read(queue + 0x802, 2))
    memory.write(queue + 0x804 + 2 * (index % 128), struct.pack("<H", head))
    memory.write(queue + 0x802, struct.pack("<H", index + 1 & 0xFFFF))


def _block_request(guest: Technique, ring: int, chance: Random) -> None:
    """A request of Xen's block interface (`blkif.h`): operation, segments, handle, id, sector; grant, first, last."""
    memory = guest.machine.memory
    (produced,) = struct.unpack("<I", memory.read(ring, 4))
    count = chance.choice((1, 2, 11, 12, 255))
    head = struct.pack("<BBHIQQ", chance.randrange(5), count, 0, 0, 7, number(guest, chance) & MASK)
    segments = [
        struct.pack("<IBBH", chance.randrange(chance.choice((8, 600, 1 << 32))), chance.randrange(256), chance.randrange(256), 0)
        for _ in range(11)
    ]  # fmt: skip
    memory.write(ring + 64 + 112 * (produced % 32), head + b"".join(segments))
    memory.write(ring, struct.pack("<I", produced + 1 & 0xFFFFFFFF))


def forge(guest: Technique, chance: Random) -> int:
    """Forge a request, or words anywhere; how many of either."""
    if chance.random() < 0.6:
        return request(guest, chance)
    return scatter(guest, list(rings(guest)), chance)


def kick(guest: Technique, chance: Random) -> None:
    """Tell a device or a back end that there is something for it, as the guest's driver would."""
    symbols, memory = guest.image.symbols, guest.memory
    if isinstance(guest, Paravirtual):
        port = chance.choice(sorted(guest.domain.events.listeners))
        argument = symbols["result"]
        memory.write(_physical(argument), port.to_bytes(8, "little"))
        guest.hypercalls.call(_EVENT_CHANNEL_OP, (_SEND, argument, 0, 0, 0, 0))
        return
    record = _physical(symbols[chance.choice(_VIRTQUEUES)])
    port, queue = memory.read64(record + 8) & 0xFFFFFFFF, memory.read64(record + 8) >> 32
    if port:
        guest.platform.bus.write_port(port, 2, chance.choice((queue, queue, chance.randrange(4))))
