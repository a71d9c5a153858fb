"""The PCI devices of a PC: a disk and a network card with a station at the far end of its wire."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from hardware_model import counters as counter_table
from hardware_model.devices.disk import DiskContent, DiskController
from hardware_model.devices.disk.controller import IRQ
from hardware_model.devices.dma import DmaPath
from hardware_model.devices.network import Link, NetworkController, Station
from hardware_model.devices.pci import HostBridge
from hardware_model.platform import Platform


@dataclass(slots=True)
class Peripherals:
    """The host bridge of a platform and the functions behind it."""

    bridge: HostBridge
    disk: DiskController
    card: NetworkController
    station: Station


def attach_peripherals(
    platform: Platform,
    path: DmaPath,
    counts: counter_table.CounterArray,
    *,
    modelled: bool = False,
) -> Peripherals:
    """Give `platform` a host bridge with a disk and a network card, which reach memory through `path`.

    `modelled`: by a VMM, for its guest.
    """
    bridge, station = HostBridge(platform.bus), Station()
    now, changed = platform.now, platform.changed
    pin = partial(platform.interrupts.line, IRQ)
    disk = DiskController(path, DiskContent(), now, changed, counts, pin, modelled=modelled)
    card = NetworkController(path, Link(station), now, changed, counts, modelled=modelled)
    bridge.add(disk)
    bridge.add(card)
    platform.attach(bridge)
    return Peripherals(bridge, disk, card, station)
