"""A DMA engine that does what it is told: reads memory into its buffer, writes its buffer to memory, sends messages.

Nothing keeps it within bounds but what stands on its way to memory: a rogue device, when its driver is. Registers are
32-bit ports:

    +00 ADDRESS low    +08 LENGTH, up to 64 bytes          +10 STATUS  0 idle, 1 done, 2 blocked
    +04 ADDRESS high   +0C COMMAND 1 read, 2 write, 3 send   +14 DATA    of a message
    +18, +1C TARGET    an address of interest, as whoever built the machine set it
    +20, +24 BASE      what the driver has to add to a guest-physical address to have one for DMA
"""

from __future__ import annotations

from hardware_model.devices.device import State
from hardware_model.devices.dma import DmaBlocked, DmaPath

PORTS, PORT_COUNT = 0x5A0, 0x28
ADDRESS, LENGTH, COMMAND, STATUS, DATA, TARGET, BASE = 0x00, 0x08, 0x0C, 0x10, 0x14, 0x18, 0x20
READ, WRITE, SEND = 1, 2, 3
IDLE, DONE, BLOCKED = 0, 1, 2
BUFFER_BYTES = 64
PATTERN = bytes(8) + bytes(0xA0 + n for n in range(BUFFER_BYTES - 8))


class CopyEngine:
    """The engine of requester `source_id`; `history` has each command's number and status."""

    def __init__(self, path: DmaPath, source_id: int, target: int, base: int) -> None:
        self.path, self.source_id = path, source_id
        self.target, self.base = target, base
        self.buffer = PATTERN
        self.read_data = b""
        self.history: list[tuple[int, int]] = []
        self._address = self._length = self._status = self._data = 0

    def read_port(self, port: int, size: int) -> int:
        """A register's value."""
        register = port - PORTS
        wide = {ADDRESS: self._address, TARGET: self.target, BASE: self.base}
        for start, value in wide.items():
            if start <= register < start + 8:
                return value >> 8 * (register - start)
        return {LENGTH: self._length, STATUS: self._status, DATA: self._data}.get(register, 0)

    def write_port(self, port: int, size: int, value: int) -> None:
        """Set a register; COMMAND acts at once."""
        register = port - PORTS
        if register == ADDRESS:
            self._address = self._address & ~0xFFFFFFFF | value
        elif register == ADDRESS + 4:
            self._address = self._address & 0xFFFFFFFF | value << 32
        elif register == LENGTH:
            self._length = min(value, BUFFER_BYTES)
        elif register == DATA:
            self._data = value
        elif register == COMMAND:
            self._status = self._perform(value)
            self.history.append((value, self._status))

    def _perform(self, command: int) -> int:
        path, source, address = self.path, self.source_id, self._address
        try:
            if command == READ:
                self.read_data = path.read(source, address, self._length)
            elif command == WRITE:
                path.write(source, address, self.buffer[: self._length])
            elif command == SEND:
                path.message(source, address, self._data)
        except DmaBlocked:
            return BLOCKED
        return DONE

    def save(self) -> State:
        """Registers and buffer."""
        return {name: value for name, value in vars(self).items() if name != "path"}

    def restore(self, state: State) -> None:
        """Take over a saved state."""
        vars(self).update(state)
