"""PCI: configuration space, base address registers, message-signalled interrupts, the host bridge."""

from hardware_model.devices.pci.configuration_space import Bar, ConfigurationSpace, Identity, Space
from hardware_model.devices.pci.function import PciFunction
from hardware_model.devices.pci.host_bridge import HostBridge

__all__ = ["Bar", "ConfigurationSpace", "HostBridge", "Identity", "PciFunction", "Space"]
