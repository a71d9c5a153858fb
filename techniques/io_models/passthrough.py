"""Passthrough: the machine's own disk and card are the guest's. The VMM sees configuration accesses and interrupts.

Registers in memory are mapped into the guest, ports are let through by the I/O bitmaps of VT-x or of the TSS. DMA goes
through a protection domain that maps guest-physical addresses to the guest's memory, and interrupts through remapping
entries: to vectors of the VMM's choice, to the guest's posted-interrupt descriptor, or to the guest's own vectors.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from hardware_model import counters as counter_table
from hardware_model.devices import local_apic
from hardware_model.devices.pci import Bar, HostBridge, Identity, PciFunction, Space
from hardware_model.devices.pci.configuration_space import CLASS, COMMAND, DEVICE, SUBSYSTEM, VENDOR
from hardware_model.devices.pci.message_signalled import ENABLE, Msi
from techniques.assignment import STRICT, Assignment
from techniques.frames import FrameAllocator
from techniques.io_models.knobs import INTERRUPTS
from techniques.technique import GuestError, Technique

FRAME_BYTES = 1 << 20
"""Machine memory behind the guest's for the remapping unit's tables."""
FIRST_HOST_VECTOR = 0xE0
_PORT_IN, _PORT_OUT = counter_table.index("port.in"), counter_table.index("port.out")
_MMIO_READ, _MMIO_WRITE = counter_table.index("mmio.read"), counter_table.index("mmio.write")
_LARGE = 1 << 21
_PAGE = 1 << 12
_APIC_ENABLED = local_apic.SVR_ENABLED | local_apic.SPURIOUS_VECTOR


class HostInterrupts:
    """Interrupts of assigned devices by way of the VMM: it chooses the vectors, and passes on what comes."""

    def __init__(self, guest: Technique, assignment: Assignment) -> None:
        self._guest = guest
        self._assignment = assignment
        self._next = FIRST_HOST_VECTOR
        self._routes: dict[int, int] = {}
        guest.machine.platform.bus.write(local_apic.BASE + local_apic.SVR, 4, _APIC_ENABLED)

    def route(self, function: AssignedFunction) -> int:
        """A message address whose interrupt the guest gets as `function.guest_vector`."""
        if function.source_id not in self._routes:
            vector, self._next = self._next, self._next + 1
            apic = self._guest.platform.apic
            self._guest.take_host_vector(vector, lambda: apic.request(function.guest_vector))
            self._routes[function.source_id] = self._assignment.interrupt(
                function.source_id, vector
            )
        return self._routes[function.source_id]


class DirectInterrupts:
    """Interrupts that go by the guest's own IDT (Gordon et al., ELI, ASPLOS 2012): the entry has the guest's vector.

    The remapping entry still keeps the device to that vector.
    """

    def __init__(self, guest: Technique, assignment: Assignment) -> None:
        if guest.assignment is not None:
            raise GuestError(
                "direct interrupts give the processor to one guest, and there are several"
            )
        self._assignment = assignment
        self._routes: dict[tuple[int, int], int] = {}
        guest.give_interrupts()

    def route(self, function: AssignedFunction) -> int:
        """A message address that raises the guest's vector."""
        key = function.source_id, function.guest_vector
        if key not in self._routes:
            self._routes[key] = self._assignment.interrupt(*key)
        return self._routes[key]


class PostedInterrupts:
    """Interrupts that VT-d notes in the guest's posted-interrupt descriptor, and the processor delivers from there."""

    def __init__(self, guest: Technique, assignment: Assignment) -> None:
        self._assignment = assignment
        self._descriptor = guest.post_interrupts()
        self._routes: dict[tuple[int, int], int] = {}
        guest.machine.platform.bus.write(local_apic.BASE + local_apic.SVR, 4, _APIC_ENABLED)

    def route(self, function: AssignedFunction) -> int:
        """A message address that posts the guest's vector."""
        key = function.source_id, function.guest_vector
        if key not in self._routes:
            self._routes[key] = self._assignment.posted_interrupt(*key, self._descriptor)
        return self._routes[key]


_Interrupts = HostInterrupts | PostedInterrupts | DirectInterrupts
_INTERRUPTS: dict[str, Callable[[Technique, Assignment], _Interrupts]] = {
    "exit": HostInterrupts,
    "posted": PostedInterrupts,
    "direct": DirectInterrupts,
}


class AssignedFunction(PciFunction):
    """A physical function as the guest sees it: its own configuration space, of which the VMM passes on what it may.

    The guest chooses the message's vector; the physical function gets the message that the VMM had remapped. Base
    address registers can be sized, and stay where firmware put them.
    """

    def __init__(
        self,
        physical: PciFunction,
        interrupts: _Interrupts,
        guest: Technique,
    ) -> None:
        space = physical.configuration
        identity = Identity(
            space.read(VENDOR, 2),
            space.read(DEVICE, 2),
            space.read(CLASS, 3),
            space.read(SUBSYSTEM, 4),
        )
        super().__init__(physical.slot, identity, space.bars, physical.path)
        self.source_id = physical.source_id
        self._physical = physical
        self._bus, self._counts = guest.machine.platform.bus, guest.machine.counters
        self._msi = Msi(self.configuration)
        self._interrupts = interrupts

    @property
    def guest_vector(self) -> int:
        """The vector that the guest's message has."""
        message = self._msi.message()
        return message[1] & 0xFF if message else 0

    def configuration_written(self) -> None:
        """Pass on what the guest may decide: decoding, bus mastering, and whether there are interrupts."""
        mine, real = self.configuration, self._physical.configuration
        real.write(COMMAND, 2, mine.read(COMMAND, 2))
        enabled = self._msi.message() is not None
        at = self._physical_msi
        real.write(at + 4, 4, self._interrupts.route(self) if enabled else 0)
        real.write(at + 8, 4, 0)
        real.write(at + 12, 2, 0)
        real.write(at + 2, 2, ENABLE if enabled else 0)

    @property
    def _physical_msi(self) -> int:
        return self._msi.offset  # the same capabilities in the same order

    def _place(self, index: int, offset: int) -> tuple[Space, int]:
        bar = next(bar for bar in self.configuration.bars if bar.index == index)
        return bar.space, bar.base + offset

    def read_bar(self, index: int, offset: int, size: int) -> int:
        """An access that was not let through: the VMM performs it."""
        space, address = self._place(index, offset)
        self._counts[_PORT_IN if space is Space.IO else _MMIO_READ] += 1
        read = self._bus.read_port if space is Space.IO else self._bus.read
        return read(address, size)

    def write_bar(self, index: int, offset: int, size: int, value: int) -> None:
        """As above."""
        space, address = self._place(index, offset)
        self._counts[_PORT_OUT if space is Space.IO else _MMIO_WRITE] += 1
        write = self._bus.write_port if space is Space.IO else self._bus.write
        write(address, size, value)


def connect(guest: Technique) -> None:
    """Give the guest the machine's disk and network card."""
    machine, memory = guest.machine, guest.memory
    assignment = guest.assignment or _own_assignment(guest)
    domain = assignment.new_domain()
    domain.map(0, memory.base, memory.size, page_size=_LARGE)
    interrupts = _INTERRUPTS[str(guest.settings.get(INTERRUPTS.name, INTERRUPTS.default))](
        guest, assignment
    )
    bridge = HostBridge(guest.platform.bus)
    for physical in (machine.peripherals.disk, machine.peripherals.card):
        assignment.attach(physical.source_id, domain)
        bridge.add(AssignedFunction(physical, interrupts, guest))
        _open(guest, physical.configuration.bars)
    guest.platform.attach(bridge)


def _own_assignment(guest: Technique) -> Assignment:
    first = guest.memory.base + guest.memory.size
    assignment = Assignment(guest.machine, FrameAllocator(first, first + FRAME_BYTES), STRICT)
    assignment.enable()
    return assignment


def _open(guest: Technique, bars: Sequence[Bar]) -> None:
    for bar in bars:
        if bar.space is Space.IO:
            guest.open_ports(bar.base, bar.size)
        else:
            for page in range(bar.base, bar.base + bar.size, _PAGE):
                guest.map_device(page)
