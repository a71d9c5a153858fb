"""Back ends of the driver domain: block and network devices behind rings that the guest shares."""

from techniques.paravirtual.backends.block import BlockBackend
from techniques.paravirtual.backends.network import NetworkBackend
from techniques.paravirtual.backends.xenbus import Backend, DeviceState

__all__ = ["Backend", "BlockBackend", "DeviceState", "NetworkBackend"]
