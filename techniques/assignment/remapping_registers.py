"""The unit's registers and its invalidation queue, as a VMM uses them: through the bus, nothing else."""

from __future__ import annotations

from hardware_model.devices.bus import Bus
from hardware_model.memory import MachineMemory
from hardware_model.vtd.invalidation_queue import DESCRIPTOR_BYTES, wait_descriptor
from hardware_model.vtd.registers import ONE_SHOT, GlobalCommand, Register
from hardware_model.vtd.unit import BASE
from techniques.frames import FrameAllocator

_QUEUE_BYTES = 4096


class InvalidationTimeout(Exception):
    """The unit did not answer a wait descriptor: a defect of the driver's queue."""


class RemappingRegisters:
    """One unit; `frames` gives the queue's frame and the status word's."""

    def __init__(self, bus: Bus, memory: MachineMemory, frames: FrameAllocator) -> None:
        self._bus, self._memory = bus, memory
        self._queue, self._status = frames.allocate(), frames.allocate()
        for frame in (self._queue, self._status):
            memory.zero_page(frame)
        self._tail = self._waited = 0

    def read(self, register: int, size: int = 4) -> int:
        """A register's value."""
        return self._bus.read(BASE + register, size)

    def write(self, register: int, value: int, size: int = 4) -> None:
        """Set a register."""
        self._bus.write(BASE + register, size, value)

    def command(self, bit: GlobalCommand, *, on: bool = True) -> None:
        """Give one command, the states left as they are (VT-d specification 11.4.4)."""
        states = self.read(Register.GSTS) & ~ONE_SHOT
        self.write(Register.GCMD, states | bit if on else states & ~bit)

    def start_queue(self) -> None:
        """Show the unit the queue and turn it on."""
        self.write(Register.IQA, self._queue, 8)
        self.command(GlobalCommand.QIE)

    def invalidate(self, *descriptors: tuple[int, int]) -> None:
        """Submit descriptors and wait until the unit has executed them."""
        self._waited = self._waited + 1 & 0xFFFFFFFF
        for low, high in (*descriptors, wait_descriptor(self._status, self._waited)):
            self._memory.write64(self._queue + self._tail, low)
            self._memory.write64(self._queue + self._tail + 8, high)
            self._tail = (self._tail + DESCRIPTOR_BYTES) % _QUEUE_BYTES
        self.write(Register.IQT, self._tail, 8)
        if self._memory.read64(self._status) & 0xFFFFFFFF != self._waited:
            raise InvalidationTimeout("the remapping unit does not answer its invalidation queue")
