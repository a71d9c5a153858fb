"""A PCI IDE controller in native mode with one ATA drive: commands by port I/O, data by bus-master DMA.

READ DMA, WRITE DMA, FLUSH CACHE and IDENTIFY DEVICE (whose data is read from the data port). A command takes the
time that `content.access_time` gives, in virtual time; then the data moves at once and a message is sent.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from hardware_model import counters as counter_table
from hardware_model.devices.device import State
from hardware_model.devices.disk import registers as R
from hardware_model.devices.disk.bus_master import BusMaster
from hardware_model.devices.disk.content import SECTOR, DiskContent, access_time
from hardware_model.devices.dma import DmaBlocked, DmaPath
from hardware_model.devices.pci.configuration_space import Bar, Identity, Space
from hardware_model.devices.pci.function import PciFunction
from hardware_model.devices.pci.message_signalled import Msi

IDENTITY = Identity(vendor=0x8086, device=0x7111, class_code=0x010185)
SLOT = 2
BARS = (
    Bar(R.COMMAND_BLOCK, Space.IO, 8, 0xC000),
    Bar(R.CONTROL_BLOCK, Space.IO, 4, 0xC010),
    Bar(R.BUS_MASTER, Space.IO, 16, 0xC020),
)
_DOORBELL, _RAISED = counter_table.index("io.doorbell"), counter_table.index("io.interrupt")
_REQUEST = counter_table.index("io.disk.request")
_BY_VMM = counter_table.index("vmm.disk_request")
_TASK = (R.SECTOR_COUNT, R.LBA_LOW, R.LBA_MID, R.LBA_HIGH, R.DEVICE)


class DiskController(PciFunction):
    """The controller in `SLOT` with a drive of `content`. `changed` and `modelled` as for the network card."""

    def __init__(
        self,
        path: DmaPath,
        content: DiskContent,
        now: Callable[[], int],
        changed: Callable[[], None],
        counts: counter_table.CounterArray,
        *,
        modelled: bool = False,
    ) -> None:
        super().__init__(SLOT, IDENTITY, BARS, path)
        self.msi = Msi(self.configuration)
        self.content = content
        self.bus_master = BusMaster(self)
        self._now = now
        self._changed = changed
        self._counts = counts
        self._modelled = modelled
        self._reset()

    def _reset(self) -> None:
        self._task = dict.fromkeys(_TASK, 0)
        self._status, self._error = R.STATUS_READY | R.STATUS_SEEK_DONE, 0
        self._silent = False
        self._command = 0
        self._ready: int | None = None
        self._data = b""

    # --- registers ----------------------------------------------------------------------------------
    def read_bar(self, index: int, offset: int, size: int) -> int:
        """IN."""
        if index == R.BUS_MASTER:
            return self.bus_master.read(offset, size)
        if index == R.CONTROL_BLOCK:
            return self._status if offset == R.ALTERNATE_STATUS else 0xFF
        if offset == R.DATA:
            return self._take_data(size)
        if offset == R.STATUS:
            return self._status
        return self._error if offset == R.ERROR else self._task[offset]

    def _take_data(self, size: int) -> int:
        value, self._data = int.from_bytes(self._data[:size], "little"), self._data[size:]
        if not self._data:
            self._status &= ~R.STATUS_DATA
        return value

    def write_bar(self, index: int, offset: int, size: int, value: int) -> None:
        """OUT."""
        if index == R.BUS_MASTER:
            if self.bus_master.write(offset, size, value):
                self._counts[_DOORBELL] += 1
                self._begin()
        elif index == R.CONTROL_BLOCK:
            if offset == R.ALTERNATE_STATUS:
                self._control(value)
        elif offset == R.COMMAND:
            self._accept(value)
        elif offset in self._task:
            self._task[offset] = value & 0xFF
        self._changed()

    def _control(self, value: int) -> None:
        if value & R.DEVICE_CONTROL_RESET:
            self._reset()
        self._silent = bool(value & R.DEVICE_CONTROL_NO_INTERRUPT)

    # --- commands -----------------------------------------------------------------------------------
    def _accept(self, command: int) -> None:
        if self._status & R.STATUS_BUSY:
            return
        self._command, self._status, self._error = command, R.STATUS_BUSY, 0
        if command in (R.READ_DMA, R.WRITE_DMA):
            self._begin()
        elif command in (R.FLUSH_CACHE, R.IDENTIFY):
            self._ready = self._now() + access_time(0)
        else:
            self._complete(R.ERROR_ABORTED)

    def _begin(self) -> None:
        """A DMA command starts when both the drive and the bus master have been told."""
        busy = self._status & R.STATUS_BUSY and self._command in (R.READ_DMA, R.WRITE_DMA)
        if busy and self._ready is None and self.bus_master.command & R.BM_START:
            self._ready = self._now() + access_time(self._count)

    @property
    def _count(self) -> int:
        return self._task[R.SECTOR_COUNT] or 256

    @property
    def _first(self) -> int:
        task = self._task
        low = task[R.LBA_LOW] | task[R.LBA_MID] << 8 | task[R.LBA_HIGH] << 16
        return low | (task[R.DEVICE] & 0xF) << 24

    def next_event(self) -> int | None:
        """When the command at hand is done."""
        return self._ready

    def advance(self, now: int) -> None:
        """Finish the command that is due."""
        if self._ready is None or self._ready > now:
            return
        self._ready = None
        if self._command == R.IDENTIFY:
            self._data = self._identity()
        error = self._transfer() if self._command in (R.READ_DMA, R.WRITE_DMA) else 0
        self._complete(error)
        self._changed()

    def _transfer(self) -> int:
        """Move the command's sectors; the error register's value."""
        self._counts[_REQUEST] += 1
        if self._modelled:
            self._counts[_BY_VMM] += 1
        first, count = self._first, self._count
        if first + count > self.content.sectors:
            self.bus_master.finished(error=False)
            return R.ERROR_NOT_FOUND
        try:
            complete = self._move(range(first, first + count))
        except DmaBlocked:
            complete = False
        self.bus_master.finished(error=not complete)
        return 0 if complete else R.ERROR_ABORTED

    def _move(self, sectors: range) -> bool:
        if self._command == R.READ_DMA:
            return self.bus_master.to_memory(b"".join(map(self.content.read, sectors)))
        data = self.bus_master.from_memory(len(sectors) * SECTOR)
        for number, sector in enumerate(sectors):
            piece = data[number * SECTOR : (number + 1) * SECTOR]
            if len(piece) < SECTOR:
                return False
            self.content.write(sector, piece)
        return True

    def _complete(self, error: int) -> None:
        self._error = error
        self._status = R.STATUS_READY | R.STATUS_SEEK_DONE
        self._status |= (R.STATUS_ERROR if error else 0) | (R.STATUS_DATA if self._data else 0)
        self.bus_master.status |= R.BM_INTERRUPT
        if not self._silent and self.signal(self.msi.message()):
            self._counts[_RAISED] += 1

    def _identity(self) -> bytes:
        """IDENTIFY DEVICE data (ATA/ATAPI-5 table 20): model, LBA and DMA supported, number of sectors."""
        words = [0] * 256
        model = b"trapbench disk".ljust(40)
        words[27:47] = struct.unpack(">20H", model)
        words[49] = 0x0300
        words[60], words[61] = self.content.sectors & 0xFFFF, self.content.sectors >> 16
        return struct.pack("<256H", *words)

    def save(self) -> State:
        """Registers, the command at hand and the drive's written sectors."""
        master = self.bus_master
        return super().save() | {
            "task": dict(self._task),
            "drive": (
                self._status,
                self._error,
                self._silent,
                self._command,
                self._ready,
                self._data,
            ),
            "bus_master": (master.command, master.status, master.table),
            "content": self.content.save(),
        }

    def restore(self, state: State) -> None:
        """Take over a saved state."""
        super().restore(state)
        self._task = dict(state["task"])
        drive = state["drive"]
        self._status, self._error, self._silent, self._command, self._ready, self._data = drive
        master = self.bus_master
        master.command, master.status, master.table = state["bus_master"]
        self.content.restore(state["content"])
