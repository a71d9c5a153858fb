"""The contract of a technique: a VMM written against the machine. A technique is a module or
package found by being there.

A technique sees exits, traps and its guest's memory; it owns page tables; it never reaches into the executor.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from hardware_model.boot import CpuState
from hardware_model.disassembly import Passage
from hardware_model.machine import End, Machine
from hardware_model.platform import Platform
from techniques.guest import BootImage, GuestMemory
from techniques.knobs import Knob, Value
from techniques.refusals import RefusalReason, Refusals

if TYPE_CHECKING:
    from hardware_model.devices.device import PortDevice
    from techniques.assignment import Assignment
    from techniques.io_models.virtio import VirtioBlock
    from techniques.paravirtual.backends import BlockBackend
    from workloads import LinuxWorkload, Workload


class Skipped(Exception):
    """The cell makes no sense; the sentence says why."""


class GuestError(Exception):
    """The guest did something that ends the run; the sentence says what and where."""


@dataclass(frozen=True, slots=True)
class GuestRegisters:
    """Registers as the guest would read them: what counts for equivalence."""

    gpr: tuple[int, ...]
    rip: int
    rflags: int
    cr: tuple[int, int, int, int]  # CR0, CR2, CR3, CR4
    efer: int
    cs: int
    ss: int


class Technique(ABC):
    """One VMM with one guest on `machine`.

    Class attributes: `name`; `doc`, one sentence; `knobs`; `vmm_bytes`, machine memory that the VMM needs for itself
    (from the `base` of the machine's current partition on; its guest's memory lies behind it); `ported`, whether the
    guest kernel is the one ported to Xen's interface; `refuses_by`, how a VMM's record of an access outside its guest's
    memory reads; `compared`, the parts of the outcome that must equal the native
    ones. A ported guest is another binary, and one whose I/O model shows it other devices runs other drivers: their
    memory and registers are their own.
    """

    name: ClassVar[str]
    doc: ClassVar[str]
    knobs: ClassVar[tuple[Knob, ...]] = ()
    vmm_bytes: ClassVar[int] = 0
    ported: ClassVar[bool] = False
    refuses_by: ClassVar[RefusalReason] = RefusalReason.SHADOW
    compared: tuple[str, ...] = ("memory", "registers", "console", "status", "result")

    def __init__(self, machine: Machine, image: BootImage, knobs: Mapping[str, Value]) -> None:
        self.machine = machine
        self.image = image
        self.settings = knobs
        self.base = machine.partition.base
        self.memory = GuestMemory(
            machine.memory, self.base + self.vmm_bytes_beside(image.ram_bytes), image.ram_bytes
        )
        self.hot_exits: Counter[tuple[str, int]] = Counter()
        self.refusals = Refusals(machine.counters)
        self.para_virtual_disk: VirtioBlock | BlockBackend | None = (
            None  # its back end, if there is one
        )
        self.assignment: Assignment | None = None  # of the host, where several VMs share it

    def boot(self) -> CpuState:
        """Do what a boot loader and firmware do; the state that the guest's processor starts with."""
        state = self.image.load(self.memory)
        self.image.set_up_firmware(self.platform)
        return state

    @classmethod
    def vmm_bytes_beside(cls, ram_bytes: int) -> int:
        """Machine memory for the VMM beside a guest of `ram_bytes`, in pages of 2 MiB: `vmm_bytes`, if enough."""
        return cls.vmm_bytes

    @classmethod
    def ring1(cls, settings: Mapping[str, Value]) -> bool:
        """Whether the ported kernel that guests of our own boot is the one for CPL 1."""
        return False

    @classmethod
    def check(cls, workload: Workload | LinuxWorkload, size: str) -> None:
        """Raise Skipped if the technique cannot make sense of the workload; most always can."""
        return

    def memory_written(self, gpa: int, size: int) -> None:
        """Something other than the guest's own code has stored `size` bytes at guest-physical `gpa`."""
        return

    def refuse(self, gpa: int) -> None:
        """The guest accesses guest-physical `gpa`, where it has neither memory nor a device."""
        self.refusals.record(self.refuses_by, gpa)

    def map_device(self, page: int) -> None:
        """Let the guest reach the device registers in the machine's `page`, at the same guest-physical address."""
        raise NotImplementedError(f"{self.name} cannot give its guest a device's registers")

    def grant_ports(self, first: int, count: int, device: PortDevice) -> None:
        """Let the guest use ports of a device of the machine, through the VMM."""
        self.platform.bus.attach_ports(first, count, device)

    def map_foreign_frame(self, page: int) -> None:
        """What a VMM without protection does: map the machine's frame `page`, whoever's it is, if the guest asks."""
        self.map_device(page)

    def open_ports(self, first: int, count: int) -> None:
        """Let the guest reach ports without the VMM, if the processor can tell them from others."""
        return

    def take_host_vector(self, vector: int, action: Callable[[], None]) -> None:
        """Call `action` when the machine interrupts the VMM with `vector`."""
        raise NotImplementedError(f"{self.name} takes no interrupts of devices")

    def give_interrupts(self) -> None:
        """Let the machine's interrupts, and its local APIC, be the guest's."""
        raise NotImplementedError(f"{self.name} cannot give its guest the machine's interrupts")

    def post_interrupts(self) -> int:
        """Have the processor deliver what is posted to the guest; the machine address of its descriptor."""
        raise NotImplementedError(f"{self.name} cannot have interrupts posted")

    @property
    @abstractmethod
    def platform(self) -> Platform:
        """The devices that the guest sees."""

    @abstractmethod
    def start(self) -> None:
        """Boot the guest: give the processor the state in which `resume` lets it run."""

    @abstractmethod
    def resume(self, budget: int | None = None, pause: int | None = None) -> End:
        """Let the guest go on from where it stands; `budget` and `pause` as in `Machine.run`."""

    def finish(self) -> None:  # noqa: B027 - most have nothing to do
        """The guest will not go on: bring what can be asked of it up to date."""

    def run(self, budget: int | None) -> End:
        """Boot the guest and run it to its end, or until `budget` units of virtual time have passed."""
        self.start()
        end = self.resume(budget)
        self.finish()
        return end

    def listing(self) -> Iterable[Passage]:
        """Guest code beside what the technique made of it; nothing if the guest runs as it is."""
        return ()

    @abstractmethod
    def guest_registers(self) -> GuestRegisters:
        """The guest's registers, as it would read them."""
