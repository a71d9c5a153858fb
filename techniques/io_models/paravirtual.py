"""Para-virtual devices: rings in memory that guest and VMM share, and as few notifications as they can do with.

Guests that run the native kernel find virtio devices on PCI. The back end copies every frame and sector between the
guest and the wire or the disk's content.
"""

from __future__ import annotations

from hardware_model.devices.disk import DiskContent
from hardware_model.devices.network import Link, Station
from hardware_model.devices.pci import HostBridge
from techniques.guest import GuestMemory
from techniques.io_models.knobs import BATCHING, HOST_INTERVAL, SUPPRESSION
from techniques.io_models.modelled_path import ModelledPath, outside
from techniques.io_models.virtio import Suppression, VirtioBlock, VirtioNetwork
from techniques.io_models.virtio.device import BackEnd
from techniques.technique import Technique

COMPARED = ("status", "console", "result")


class GuestShared:
    """Guest memory as the back end maps it: rings are looked at in place, not copied."""

    def __init__(self, guest: Technique, memory: GuestMemory | None = None) -> None:
        self._guest = guest
        self._memory = memory or guest.memory

    def load(self, address: int, size: int) -> bytes:
        """`size` bytes."""
        try:
            return self._memory.read(address, size)
        except IndexError as error:
            raise outside(self._guest, address, error) from None

    def store(self, address: int, data: bytes) -> None:
        """Store `data`."""
        try:
            self._memory.write(address, data)
        except IndexError as error:
            raise outside(self._guest, address, error) from None
        self._guest.memory_written(address, len(data))


def connect(guest: Technique) -> None:
    """Show the guest virtio devices."""
    platform = guest.platform
    back_end = BackEnd(
        path=ModelledPath(guest),
        memory=GuestShared(guest),
        now=platform.now,
        changed=platform.changed,
        counts=guest.machine.counters,
        refusals=guest.refusals,
        suppression=Suppression(guest.settings[SUPPRESSION.name]),
        interval=HOST_INTERVAL if guest.settings[BATCHING.name] else 0,
    )
    bridge = HostBridge(platform.bus)
    guest.para_virtual_disk = disk = VirtioBlock(DiskContent(guest.image.disk), back_end)
    bridge.add(disk)
    bridge.add(VirtioNetwork(Link(Station()), back_end))
    platform.attach(bridge)
    guest.compared = COMPARED
