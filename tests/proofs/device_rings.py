"""Forging what guest and devices share: the network card's descriptor rings and the disk's table of regions.

The devices are a VMM's models or the machine's own, assigned to the guest: their registers are at the same places. The
stores are those that the guest's own kernel could make, between two of its instructions.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from random import Random

from hardware_model.devices.device import State
from hardware_model.devices.disk import controller as disk
from hardware_model.devices.disk import registers as D
from hardware_model.devices.network import controller as card
from hardware_model.devices.network import registers as N
from hardware_model.devices.network.rings import BASE_HIGH, BASE_LOW, HEAD, LENGTH, TAIL
from techniques.technique import Technique
from tests.proofs.forged_words import MASK, Ring, number, scatter

PAGE = 0x1000
SLICE, MOST_FORGED = 700, 8
_COMMANDS, _, _MASTER = (bar.base for bar in disk.BARS)
_RINGS = (N.RDBAL, N.TDBAL)
_COMMAND = (0, N.TX_REPORT, 0xFF)


class Forger:
    """Forges and notifies every `SLICE` of virtual time, as another processor of the guest could, while the first sleeps.

    `forged` is how much it has.
    """

    def __init__(self, guest: Technique, chance: Random) -> None:
        self._guest, self._chance = guest, chance
        self._due = SLICE
        self.forged = 0
        guest.platform.attach(self)

    def next_event(self) -> int:
        """When it is its turn."""
        return self._due

    def advance(self, now: int) -> None:
        """Forge."""
        if now < self._due:
            return
        self._due = now + SLICE
        for _ in range(self._chance.randrange(MOST_FORGED)):
            if stores := forge(self._guest, self._chance):
                kick(self._guest, self._chance)
            self.forged += stores

    def save(self) -> State:
        """It has nothing that a guest sees."""
        return {}

    def restore(self, state: State) -> None:
        """As above."""


def rings(guest: Technique) -> Iterator[Ring]:
    """The rings in the guest's memory that its devices have been told of."""
    found = [_ring(guest, register) for register in _RINGS]
    table = guest.platform.bus.read_port(_MASTER + D.BM_TABLE, 4)
    for address, size in (*found, (table, PAGE)):
        if address and size and address + size <= guest.memory.size:
            yield guest.memory.base + address, size


def _ring(guest: Technique, register: int) -> Ring:
    """Guest-physical address and size of the ring whose registers begin at `register`."""
    bus, at = guest.platform.bus, card.BASE + register
    return bus.read(at + BASE_LOW, 4) | bus.read(at + BASE_HIGH, 4) << 32, bus.read(at + LENGTH, 4)


def forge(guest: Technique, chance: Random) -> int:
    """Forge a descriptor, a table of regions, or words anywhere; how many of them."""
    kind = chance.random()
    if kind < 0.35:
        return _descriptor(guest, chance)
    if kind < 0.7:
        return _regions(guest, chance)
    return scatter(guest, list(rings(guest)), chance)


def _descriptor(guest: Technique, chance: Random) -> int:
    """Give the card the descriptor that it takes next, whose buffer is anywhere and of any length."""
    address, size = _ring(guest, register := chance.choice(_RINGS))
    head = guest.platform.bus.read(card.BASE + register + HEAD, 4)
    at = address + head * N.DESCRIPTOR_BYTES
    if not size or at + N.DESCRIPTOR_BYTES > guest.memory.size:
        return 0
    length = chance.choice((0, 60, 1514, chance.randrange(1 << 16)))
    buffer = number(guest, chance) & MASK
    entry = struct.pack("<QHBBI", buffer, length, 0, chance.choice(_COMMAND), 0)
    guest.machine.memory.write(guest.memory.base + at, entry)
    return 1


def _regions(guest: Technique, chance: Random) -> int:
    """One to four regions anywhere, the last of which is seldom not marked as such."""
    table = guest.platform.bus.read_port(_MASTER + D.BM_TABLE, 4)
    count = chance.randrange(1, 5)
    if not table or table + count * D.PRD_BYTES > guest.memory.size:
        return 0
    ends = (0, D.PRD_END) if chance.random() < 0.1 else (D.PRD_END,)
    for entry in range(count):
        address = number(guest, chance) & 0xFFFF_FFFF
        size = chance.choice((0, 1, 512, 4096, chance.randrange(1 << 16)))
        flags = chance.choice(ends) if entry == count - 1 else 0
        packed = struct.pack("<IHH", address, size, flags)
        guest.machine.memory.write(guest.memory.base + table + entry * D.PRD_BYTES, packed)
    return 1


def kick(guest: Technique, chance: Random) -> None:
    """Have a device look at its ring, as the guest's driver would, or tell it that the ring is elsewhere."""
    choose = chance.random()
    if choose < 0.5:
        _ring_the_bell(guest, chance)
    elif choose < 0.9:
        _start_the_disk(guest, chance)
    else:
        _move(guest, chance)


def _ring_the_bell(guest: Technique, chance: Random) -> None:
    """The card owns one descriptor more, or any number."""
    bus, at = guest.platform.bus, card.BASE + chance.choice(_RINGS)
    head, size = bus.read(at + HEAD, 4), bus.read(at + LENGTH, 4) // N.DESCRIPTOR_BYTES
    tail = (head + 1) % size if size and chance.random() < 0.7 else chance.randrange(1 << 16)
    for register in (N.RCTL, N.TCTL):  # a blocked access has turned them off
        bus.write(card.BASE + register, 4, N.RCTL_ENABLE)
    bus.write(at + TAIL, 4, tail)


def _start_the_disk(guest: Technique, chance: Random) -> None:
    """A transfer of a few sectors, or as many as there can be, from or to the regions of the table."""
    bus = guest.platform.bus
    for register, value in (
        (D.SECTOR_COUNT, chance.choice((1, 2, 8, 0))),
        (D.LBA_LOW, chance.randrange(256)),
        (D.DEVICE, D.DEVICE_LBA),
        (D.COMMAND, chance.choice((D.READ_DMA, D.WRITE_DMA))),
    ):
        bus.write_port(_COMMANDS + register, 1, value)
    bus.write_port(_MASTER + D.BM_COMMAND, 1, 0)
    bus.write_port(_MASTER + D.BM_COMMAND, 1, D.BM_START | chance.choice((0, D.BM_TO_MEMORY)))


def _move(guest: Technique, chance: Random) -> None:
    """A ring's place, size or head, or the place of the table of regions, is another: in the guest's memory, or any."""
    bus, value = guest.platform.bus, number(guest, chance)
    inside = chance.randrange(guest.memory.size) & -PAGE
    if chance.random() < 0.3:
        bus.write_port(_MASTER + D.BM_TABLE, 4, chance.choice((inside, value & 0xFFFF_FFFF)))
        return
    at, register = card.BASE + chance.choice(_RINGS), chance.choice((BASE_HIGH, LENGTH, HEAD))
    bus.write(at + BASE_LOW, 4, inside)
    bus.write(at + BASE_HIGH, 4, 0)
    bus.write(at + LENGTH, 4, PAGE)
    if chance.random() < 0.2:
        bus.write(at + register, 4, value & 0xFFFF_FFFF)
