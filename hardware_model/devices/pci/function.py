"""One PCI function: configuration space, registers behind its BARs, and its way to memory."""

from __future__ import annotations

from hardware_model.devices.device import State
from hardware_model.devices.dma import DmaBlocked, DmaPath
from hardware_model.devices.pci.configuration_space import Bar, ConfigurationSpace, Identity
from hardware_model.devices.pci.message_signalled import Message


class PciFunction:
    """A function 0 of bus 0 in `slot`, which reaches memory through `path`.

    Subclasses give the registers behind each base address register, and their events.
    """

    def __init__(self, slot: int, identity: Identity, bars: tuple[Bar, ...], path: DmaPath) -> None:
        self.slot = slot
        self.source_id = slot << 3
        self.path = path
        self.configuration = ConfigurationSpace(identity, bars)

    def read_bar(self, index: int, offset: int, size: int) -> int:
        """A load, or an IN, at `offset` behind base address register `index`."""
        raise NotImplementedError

    def write_bar(self, index: int, offset: int, size: int, value: int) -> None:
        """A store, or an OUT."""
        raise NotImplementedError

    def read_memory(self, address: int, size: int) -> bytes:
        """DMA read; DmaBlocked if it is blocked on its way, or the function is no bus master."""
        if not self.configuration.bus_master:
            raise DmaBlocked(f"function {self.slot} is not enabled as bus master")
        return self.path.read(self.source_id, address, size)

    def write_memory(self, address: int, data: bytes) -> None:
        """DMA write; DmaBlocked as above."""
        if not self.configuration.bus_master:
            raise DmaBlocked(f"function {self.slot} is not enabled as bus master")
        self.path.write(self.source_id, address, data)

    def signal(self, message: Message | None) -> bool:
        """Send an interrupt message; False if there is none to send or it is not let through."""
        if message is None or not self.configuration.bus_master:
            return False
        try:
            self.path.message(self.source_id, *message)
        except DmaBlocked:
            return False
        return True

    def configuration_written(self) -> None:
        """Software wrote to configuration space."""

    def next_event(self) -> int | None:
        """None: nothing is due by itself."""
        return None

    def advance(self, now: int) -> None:
        """Let happen what is due."""

    def save(self) -> State:
        """Configuration space."""
        return {"configuration": self.configuration.save()}

    def restore(self, state: State) -> None:
        """Take over a saved state."""
        self.configuration.restore(state["configuration"])
