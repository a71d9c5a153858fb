"""Emulated devices: the guest's driver works registers, and the VMM's device model does what the hardware would.

The models are those of the machine's own devices; here the VMM runs them, on the guest's memory. Each access to a
register is an exit, a trap or a callout, and every byte is copied by the VMM.
"""

from __future__ import annotations

from hardware_model.devices.disk import DiskContent
from hardware_model.peripherals import attach_peripherals
from techniques.io_models.modelled_path import ModelledPath
from techniques.technique import Technique


def connect(guest: Technique) -> None:
    """Show the guest a disk and a network card."""
    path = ModelledPath(guest)
    shown = attach_peripherals(guest.platform, path, guest.machine.counters, modelled=True)
    shown.disk.content = DiskContent(guest.image.disk)
