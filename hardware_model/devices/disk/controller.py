"""A PCI IDE controller in native mode with one ATA drive: commands by port I/O, data by bus-master DMA.

READ DMA, WRITE DMA, IDENTIFY DEVICE (whose data is read from the data port), and commands without data. A command
takes the time that `content.access_time` gives, in virtual time; then the data moves at once, and a message is sent or,
while messages are disabled, the interrupt pin is driven until the status is read. There is no drive 1.
"""

from __future__ import annotations

from collections.abc import Callable

from hardware_model import counters as counter_table
from hardware_model.devices.device import State
from hardware_model.devices.disk import registers as R
from hardware_model.devices.disk.bus_master import BusMaster
from hardware_model.devices.disk.content import SECTOR, DiskContent, access_time
from hardware_model.devices.disk.identity import identify
from hardware_model.devices.dma import DmaBlocked, DmaPath
from hardware_model.devices.pci.configuration_space import (
    INTERRUPT_LINE,
    INTERRUPT_PIN,
    Bar,
    Identity,
    Space,
)
from hardware_model.devices.pci.function import PciFunction
from hardware_model.devices.pci.message_signalled import Msi

IDENTITY = Identity(vendor=0x8086, device=0x7111, class_code=0x010185)
SLOT = 2
IRQ, PIN_A = 11, 1
BARS = (
    Bar(R.COMMAND_BLOCK, Space.IO, 8, 0xC000),
    Bar(R.CONTROL_BLOCK, Space.IO, 4, 0xC010),
    Bar(R.BUS_MASTER, Space.IO, 16, 0xC020),
)
_DOORBELL, _RAISED = counter_table.index("io.doorbell"), counter_table.index("io.interrupt")
_REQUEST = counter_table.index("io.disk.request")
_BY_VMM = counter_table.index("vmm.disk_request")
_TASK = (R.SECTOR_COUNT, R.LBA_LOW, R.LBA_MID, R.LBA_HIGH, R.DEVICE)
_SIGNATURE = {R.SECTOR_COUNT: 1, R.LBA_LOW: 1, R.LBA_MID: 0, R.LBA_HIGH: 0, R.DEVICE: 0}
_PASSED = 0x01  # in the error register: the diagnostics found no fault
_WITHOUT_DATA = (R.FLUSH_CACHE, R.STANDBY_IMMEDIATE, R.IDLE_IMMEDIATE)
_FEATURES = (
    R.ENABLE_WRITE_CACHE,
    R.SET_TRANSFER_MODE,
    R.DISABLE_WRITE_CACHE,
    R.DISABLE_LOOK_AHEAD,
    R.ENABLE_LOOK_AHEAD,
)


class DiskController(PciFunction):
    """The controller in `SLOT` with a drive of `content`. `changed` and `modelled` as for the network card.

    `pin` is called with the level of the interrupt pin when it changes; firmware has routed it to `IRQ`.
    """

    def __init__(
        self,
        path: DmaPath,
        content: DiskContent,
        now: Callable[[], int],
        changed: Callable[[], None],
        counts: counter_table.CounterArray,
        pin: Callable[[bool], None],
        *,
        modelled: bool = False,
    ) -> None:
        super().__init__(SLOT, IDENTITY, BARS, path)
        self._set_up_configuration()
        self.msi = Msi(self.configuration)
        self.content = content
        self.bus_master = BusMaster(self)
        self._now = now
        self._changed = changed
        self._counts = counts
        self._modelled = modelled
        self._pin, self._driven = pin, False
        self._reset()

    def _set_up_configuration(self) -> None:
        put = self.configuration.add_register
        put(INTERRUPT_LINE, bytes([IRQ]), b"\xff")
        put(INTERRUPT_PIN, bytes([PIN_A]), b"\0")
        put(R.IDE_TIMING, R.DECODE_ENABLE.to_bytes(2, "little"), b"\xff\xff")
        put(R.SLAVE_TIMING, b"\0", b"\xff")
        put(R.ULTRA_DMA, bytes(4), b"\xff\0\xff\xff")

    def _reset(self) -> None:
        self._task = dict(_SIGNATURE)
        self._status, self._error = R.STATUS_READY | R.STATUS_SEEK_DONE, _PASSED
        self._silent = self._requested = False
        self._command = self._features = 0
        self._ready: int | None = None
        self._data = b""

    # --- registers ----------------------------------------------------------------------------------
    def read_bar(self, index: int, offset: int, size: int) -> int:
        """IN."""
        if index == R.BUS_MASTER:
            return self.bus_master.read(offset, size)
        if index == R.CONTROL_BLOCK:
            return self._selected_status if offset == R.ALTERNATE_STATUS else 0xFF
        if offset == R.DATA:
            return self._take_data(size)
        if offset == R.STATUS:
            self._request(False)
            return self._selected_status
        return self._error if offset == R.ERROR else self._task[offset]

    @property
    def _selected_status(self) -> int:
        """Of a drive 1 that is not there, drive 0 says 0 (section 9.16.1)."""
        return 0 if self._task[R.DEVICE] & R.DEVICE_1 else self._status

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
        elif offset == R.FEATURES:
            self._features = value & 0xFF
        elif offset in self._task:
            self._task[offset] = value & 0xFF
        self._changed()

    def _control(self, value: int) -> None:
        if value & R.DEVICE_CONTROL_RESET:
            self._reset()
        self._silent = bool(value & R.DEVICE_CONTROL_NO_INTERRUPT)
        self._drive_pin()

    def configuration_written(self) -> None:
        """Messages may have taken the pin's place."""
        self._drive_pin()

    # --- interrupts ---------------------------------------------------------------------------------
    def _request(self, wanted: bool) -> None:
        """The drive's interrupt request, which its status acknowledges."""
        self._requested = wanted
        self._drive_pin()

    def _drive_pin(self) -> None:
        allowed = self.configuration.pin_enabled and self.msi.message() is None
        level = self._requested and not self._silent and allowed
        if level != self._driven:
            self._driven = level
            self._counts[_RAISED] += level
            self._pin(level)

    # --- commands -----------------------------------------------------------------------------------
    def _accept(self, command: int) -> None:
        if self._status & R.STATUS_BUSY or self._task[R.DEVICE] & R.DEVICE_1:
            return
        self._request(False)
        self._command, self._status, self._error = command, R.STATUS_BUSY, 0
        if command in (R.READ_DMA, R.WRITE_DMA):
            self._begin()
        elif (
            command == R.IDENTIFY
            or command in _WITHOUT_DATA
            or (command == R.SET_FEATURES and self._features in _FEATURES)
        ):
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
            self._data = identify(self.content.sectors)
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
        self._request(True)
        if not self._silent and self.signal(self.msi.message()):
            self._counts[_RAISED] += 1

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
                self._features,
                self._requested,
                self._driven,
            ),
            "bus_master": (master.command, master.status, master.table),
            "content": self.content.save(),
        }

    def restore(self, state: State) -> None:
        """Take over a saved state."""
        super().restore(state)
        self._task = dict(state["task"])
        drive = state["drive"]
        self._status, self._error, self._silent, self._command, self._ready, self._data = drive[:6]
        self._features, self._requested, self._driven = drive[6:]
        master = self.bus_master
        master.command, master.status, master.table = state["bus_master"]
        self.content.restore(state["content"])
