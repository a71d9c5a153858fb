"""The disk: its content, its ATA interface and the bus master that moves its data."""

from hardware_model.devices.disk.content import SECTOR, DiskContent
from hardware_model.devices.disk.controller import DiskController

__all__ = ["SECTOR", "DiskContent", "DiskController"]
