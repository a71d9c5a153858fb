"""A guest whose shared rings say anything: random words stored in them while its drivers use them.

The stores are those that the guest's own kernel could make, between two of its instructions: to virtqueues, to Xen's block
and network rings, to the grant table, and to the rings of the console and of Xenstore. As a program,
`python -m tests.proofs.ring_forgery FIRST_SEED COUNT` runs as many guests and prints one line of JSON.
"""

from __future__ import annotations

import gc
import json
import resource
import struct
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from random import Random

import workloads
from hardware_model import counters
from hardware_model.boot import KERNEL_BASE
from hardware_model.machine import End, Machine
from techniques import io_models, registry
from techniques.guest_errors import GUEST_ERRORS
from techniques.knobs import resolve
from techniques.paravirtual import Paravirtual
from techniques.paravirtual.hypercall_table import BY_NAME
from techniques.runner import guest_image
from techniques.technique import Technique
from tests.proofs.page_table_safety import unsafe

TECHNIQUES = ("hvm-ept", "pv", "bt", "hvm-shadow")
WORKLOADS = ("io/disk-read", "io/disk-write", "io/network-transmit", "io/network-receive")
BUDGET, SLICE, OTHER_BYTES, PAGE = 300_000, 700, 2 << 20, 0x1000
_DIRECT_MAP = 0xFFFF_8800_0000_0000
_VIRTQUEUES = (
    "virtio_disk_queue",
    "receive_queue",
    "send_queue",
)  # records whose first word points to two pages
_XEN_RINGS = ("xen_disk_ring", "xen_send_ring", "xen_receive_ring")  # pointers to a page
_CONSOLE, _STORE = 0x2000, 0x3000  # of a guest of our own, guest-physical
_EVENT_CHANNEL_OP, _SEND = BY_NAME["event_channel_op"].number, 4
_MASK = (1 << 64) - 1
_SIZES = (1, 2, 4, 8)


def _physical(linear: int) -> int:
    return linear - (_DIRECT_MAP if linear < KERNEL_BASE else KERNEL_BASE)


def rings(guest: Technique) -> Iterator[tuple[int, int]]:
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


def _number(guest: Technique, chance: Random) -> int:
    """Small, huge, or an address at an end of the guest's memory or of another's."""
    memory = guest.memory
    edges = (memory.size, memory.base, memory.base + memory.size)
    return chance.choice(
        (
            chance.randrange(4),
            chance.randrange(256),
            chance.randrange(1 << 16),
            chance.randrange(1 << 64),
            (1 << 64) - 1,
            1 << 31,
            chance.randrange(memory.size),
            chance.choice(edges) + chance.choice((-512, -8, 0, 8, 4096)),
        )
    )


def words(guest: Technique, chance: Random) -> int:
    """Store a few random numbers in a ring; how many. Headers and first entries matter most."""
    found = list(rings(guest))
    stores = chance.randrange(4) if found else 0
    for _ in range(stores):
        at, size = chance.choice(found)
        width = chance.choice(_SIZES)
        offset = chance.randrange(size if chance.random() < 0.5 else 128) & -width
        value = _number(guest, chance) & (1 << 8 * width) - 1
        guest.machine.memory.write(at + offset, value.to_bytes(width, "little"))
    return stores


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
        address = _number(guest, chance) & _MASK
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
    head = struct.pack(
        "<BBHIQQ", chance.randrange(5), count, 0, 0, 7, _number(guest, chance) & _MASK
    )
    segments = [
        struct.pack("<IBBH", chance.randrange(chance.choice((8, 600, 1 << 32))), chance.randrange(256), chance.randrange(256), 0)
        for _ in range(11)
    ]  # fmt: skip
    memory.write(ring + 64 + 112 * (produced % 32), head + b"".join(segments))
    memory.write(ring, struct.pack("<I", produced + 1 & 0xFFFFFFFF))


def forge(guest: Technique, chance: Random) -> int:
    """Forge a request, or words anywhere; how many of either."""
    return request(guest, chance) if chance.random() < 0.6 else words(guest, chance)


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


def run(seed: int, first: Callable[[Technique], None] = lambda guest: None) -> tuple[str, int, int]:
    """Run one guest beside memory that is another VM's: how it ended, how much was forged, how much of it was refused.

    `first` is called with the technique before its guest runs.

    AssertionError if that memory changed, or if under pv a page table became writable or a foreign frame was mapped.
    """
    chance = Random(seed)
    name, workload = chance.choice(TECHNIQUES), workloads.find(chance.choice(WORKLOADS))
    kind = registry.find(name)
    image = guest_image(workload, "small", ported=kind.ported)
    machine = Machine(kind.vmm_bytes + image.ram_bytes + OTHER_BYTES)
    guest = kind(machine, image, resolve(name, kind.knobs, {}))
    io_models.connect(guest, io_models.PARAVIRTUAL)
    others, other = chance.randbytes(OTHER_BYTES), kind.vmm_bytes + image.ram_bytes
    machine.memory.write(other, others)
    forged = 0
    first(guest)
    try:
        guest.start()
        end = End.PAUSED
        while end is End.PAUSED and machine.now < BUDGET:
            end = guest.resume(BUDGET - machine.now, machine.now + SLICE)
            for _ in range(chance.randrange(40)):
                stores = forge(guest, chance)
                if stores and end is End.PAUSED:
                    kick(guest, chance)
                forged += stores
        guest.finish()
        ended = end.value
    except GUEST_ERRORS as error:
        ended = str(error)
    assert "\n" not in ended
    where = f"seed {seed}: {name}, {workload.name}"
    assert machine.memory.read(other, OTHER_BYTES) == others, (
        f"{where}: another VM's memory changed"
    )
    if isinstance(guest, Paravirtual):
        assert unsafe(guest.domain, machine.memory) == [], where
    counts = counters.as_dict(machine.profile.counters())
    return ended, forged, counts.get("refused", 0)


def main(arguments: Sequence[str]) -> None:
    """Run guests; print what they came to, and by how much this process has grown since the first few, in MiB."""
    first, count = int(arguments[0]), int(arguments[1])
    ends: Counter[str] = Counter()
    forged = refused = warm = 0
    for seed in range(first, first + count):
        end, stores, refusals = run(seed)
        ends[end.split(" at ")[0]] += 1
        forged, refused = forged + stores, refused + refusals
        gc.collect()  # machines refer to themselves
        if seed == first + 5:
            warm = _peak_mib()
    grown = _peak_mib() - warm
    print(json.dumps({"ends": ends, "forged": forged, "refused": refused, "grown_mib": grown}))


def _peak_mib() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10


if __name__ == "__main__":
    main(sys.argv[1:])
