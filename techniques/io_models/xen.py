"""Xen's para-virtual devices: back ends in the driver domain, found through Xenstore."""

from __future__ import annotations

from hardware_model.devices.disk import DiskContent
from hardware_model.devices.network import Link, Station
from techniques.io_models.knobs import BATCHING, HOST_INTERVAL
from techniques.paravirtual.backends import BlockBackend, NetworkBackend
from techniques.paravirtual.vmm import Paravirtual
from techniques.paravirtual.xenstore import Store
from techniques.technique import Technique


def connect(guest: Technique) -> None:
    """Announce a disk and a network interface to a PV guest."""
    assert isinstance(guest, Paravirtual), "shared rings of Xen are a PV guest's"
    counts, domain = guest.machine.counters.data, guest.domain
    guest.store = store = Store()
    guest.para_virtual_disk = disk = BlockBackend(
        domain, store, DiskContent(guest.image.disk), counts
    )
    interval = HOST_INTERVAL if guest.settings[BATCHING.name] else 0
    network = NetworkBackend(domain, store, Link(Station()), counts, interval)
    for back_end in (disk, network):
        back_end.announce()
        domain.clock.timed.append(back_end)
