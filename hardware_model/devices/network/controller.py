"""A gigabit network card with descriptor rings: the part of an Intel 82540EM that a driver needs for its data path.

The card has registers in memory (base address register 0), one receive and one transmit ring of legacy
descriptors, and an MSI capability. Frames leave and arrive at the wire's speed, in virtual time.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from hardware_model import counters as counter_table
from hardware_model.devices.device import State
from hardware_model.devices.dma import DmaBlocked, DmaPath
from hardware_model.devices.network import registers as R
from hardware_model.devices.network.interrupts import InterruptCauses
from hardware_model.devices.network.link import Link
from hardware_model.devices.network.rings import TAIL, DescriptorRing
from hardware_model.devices.network.station import CARD_ADDRESS
from hardware_model.devices.pci.configuration_space import Bar, Identity, Space
from hardware_model.devices.pci.function import PciFunction
from hardware_model.devices.pci.message_signalled import Msi

IDENTITY = Identity(vendor=0x8086, device=0x100E, class_code=0x020000)
SLOT, BASE, SIZE = 3, 0xFE000000, 0x20000
FETCH = 300  # nanoseconds from the doorbell to the frame's first bit on the wire
_DOORBELL, _RAISED = counter_table.index("io.doorbell"), counter_table.index("io.interrupt")
_COALESCED = counter_table.index("io.interrupt.coalesced")
_SENT, _RECEIVED = counter_table.index("io.packet.sent"), counter_table.index("io.packet.received")
_DROPPED = counter_table.index("io.packet.dropped")
_BY_VMM = counter_table.index("vmm.packet")


class NetworkController(PciFunction):
    """The card in `SLOT`, on `link`.

    `changed` is called when the next event may have moved; a VMM that shows its guest a `modelled` card does the card's
    work, which is counted.
    """

    def __init__(
        self,
        path: DmaPath,
        link: Link,
        now: Callable[[], int],
        changed: Callable[[], None],
        counts: counter_table.CounterArray,
        *,
        modelled: bool = False,
    ) -> None:
        super().__init__(SLOT, IDENTITY, (Bar(0, Space.MEMORY, SIZE, BASE),), path)
        self.msi = Msi(self.configuration)
        self.link = link
        self._now = now
        self._changed = changed
        self._counts = counts
        self._modelled = modelled
        self.interrupts = InterruptCauses(self._interrupt, lambda: self._count(_COALESCED))
        self._reset()

    def _reset(self) -> None:
        self._receive, self._transmit = DescriptorRing(), DescriptorRing()
        low, high = (int(part) for part in struct.unpack("<IH", CARD_ADDRESS))
        self._stored = {R.CTRL: 0, R.RCTL: 0, R.TCTL: 0, R.RAL0: low, R.RAH0: high | R.RAH_VALID}
        self._statistics = dict.fromkeys((R.MPC, R.GPRC, R.GPTC), 0)
        self._leaves: int | None = None
        self._leaving = b""
        self.interrupts.reset()

    def _count(self, counter: int) -> None:
        self._counts[counter] += 1

    def _frame(self, counter: int) -> None:
        self._count(counter)
        if self._modelled:
            self._count(_BY_VMM)

    def _interrupt(self) -> None:
        if self.signal(self.msi.message()):
            self._count(_RAISED)

    # --- registers ----------------------------------------------------------------------------------
    def read_bar(self, index: int, offset: int, size: int) -> int:
        """Load of a register."""
        if offset in self._stored:
            return self._stored[offset]
        if offset in self._statistics:
            value: int = self._statistics[offset]
            self._statistics[offset] = 0
            return value
        if offset == R.ICR:
            return self.interrupts.read()
        if offset == R.STATUS:
            return R.STATUS_FULL_DUPLEX | R.STATUS_LINK_UP | R.STATUS_1000
        if offset in (R.IMS, R.ITR):
            return self.interrupts.mask if offset == R.IMS else self.interrupts.interval
        base = R.TDBAL if offset >= R.TDBAL else R.RDBAL
        ring = self._transmit if base == R.TDBAL else self._receive
        return int(ring.registers.get(offset - base, 0))

    def write_bar(self, index: int, offset: int, size: int, value: int) -> None:
        """Store to a register."""
        if offset == R.CTRL and value & R.CTRL_RESET:
            self._reset()
        elif offset in self._stored:
            self._stored[offset] = value
        elif R.RDBAL <= offset <= R.RDT:
            self._write_ring(self._receive, offset - R.RDBAL, value)
        elif R.TDBAL <= offset <= R.TDT:
            self._write_ring(self._transmit, offset - R.TDBAL, value)
        else:
            self._write_interrupts(offset, value)
        self._start(self._now())
        self._changed()

    def _write_ring(self, ring: DescriptorRing, register: int, value: int) -> None:
        ring.write(register, value)
        if register == TAIL:
            self._count(_DOORBELL)

    def _write_interrupts(self, offset: int, value: int) -> None:
        if offset == R.IMS:
            self.interrupts.unmask(value, self._now())
        elif offset == R.IMC:
            self.interrupts.mask &= ~value
        elif offset == R.ICS:
            self.interrupts.raise_cause(value, self._now())
        elif offset == R.ITR:
            self.interrupts.interval = value & 0xFFFF
        elif offset == R.ICR:
            self.interrupts.causes &= ~value

    # --- events -------------------------------------------------------------------------------------
    def next_event(self) -> int | None:
        """When a frame has left, one has arrived, or moderation lets an interrupt go."""
        first = self._leaves
        for event in (self.link.far.next_frame(), self.interrupts.due):
            if event is not None and (first is None or event < first):
                first = event
        return first

    def advance(self, now: int) -> None:
        """Let happen what is due."""
        if self._leaves is not None and self._leaves <= now:
            self._leaves = None
            self._transfer(self._frame_left, now)
        arrival = self.link.far.next_frame()
        if arrival is not None and arrival <= now:
            self._transfer(self._frame_arrived, now)
        self.interrupts.advance(now)
        self._start(now)
        self._changed()

    def _transfer(self, action: Callable[[int], None], now: int) -> None:
        """A blocked access is a master abort: the card stops until it is reset."""
        try:
            action(now)
        except DmaBlocked:
            self._stored[R.RCTL] &= ~R.RCTL_ENABLE
            self._stored[R.TCTL] &= ~R.TCTL_ENABLE

    def _start(self, now: int) -> None:
        """Put the next frame of the transmit ring on the wire if none is leaving."""
        enabled = self._stored[R.TCTL] & R.TCTL_ENABLE
        if self._leaves is None and enabled and self._transmit.available:
            self._transfer(self._fetch, now)

    def _fetch(self, now: int) -> None:
        self._leaving = self.read_memory(self._transmit.head_address, R.DESCRIPTOR_BYTES)
        length = struct.unpack_from("<H", self._leaving, 8)[0]
        self._leaves = self.link.start(length, now + FETCH)

    def _frame_left(self, now: int) -> None:
        ring = self._transmit
        address, length, _, command = struct.unpack_from("<QHBB", self._leaving)
        frame = self.read_memory(address, length)
        if command & R.TX_REPORT:
            self.write_memory(ring.head_address + 12, bytes([R.TX_DONE]))
        ring.advance()
        self._statistics[R.GPTC] += 1
        self._frame(_SENT)
        self.link.far.receive(frame, now)
        cause = (R.TXDW if command & R.TX_REPORT else 0) | (0 if ring.available else R.TXQE)
        self.interrupts.raise_cause(cause, now)

    def _frame_arrived(self, now: int) -> None:
        frame, ring = self.link.far.take_frame(), self._receive
        if not self._stored[R.RCTL] & R.RCTL_ENABLE or not ring.available:
            self._statistics[R.MPC] += 1
            self._count(_DROPPED)
            self.interrupts.raise_cause(R.RXO, now)
            return
        frame = frame[: R.RCTL_SIZES[self._stored[R.RCTL] >> 16 & 3]]
        descriptor = self.read_memory(ring.head_address, R.DESCRIPTOR_BYTES)
        self.write_memory(struct.unpack_from("<Q", descriptor)[0], frame)
        done = struct.pack("<HHBBH", len(frame), 0, R.RX_DONE | R.RX_END, 0, 0)
        self.write_memory(ring.head_address + 8, done)
        ring.advance()
        self._statistics[R.GPRC] += 1
        self._frame(_RECEIVED)
        self.interrupts.raise_cause(R.RXT0, now)

    def save(self) -> State:
        """Registers, rings, causes and the wire."""
        return super().save() | {
            "stored": dict(self._stored),
            "statistics": dict(self._statistics),
            "rings": (dict(self._receive.registers), dict(self._transmit.registers)),
            "leaving": (self._leaves, self._leaving),
            "interrupts": self.interrupts.save(),
            "link": self.link.save(),
        }

    def restore(self, state: State) -> None:
        """Take over a saved state."""
        super().restore(state)
        self._stored, self._statistics = dict(state["stored"]), dict(state["statistics"])
        receive, transmit = state["rings"]
        self._receive.registers, self._transmit.registers = dict(receive), dict(transmit)
        self._leaves, self._leaving = state["leaving"]
        self.interrupts.restore(state["interrupts"])
        self.link.restore(state["link"])
