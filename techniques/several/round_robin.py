"""The host's scheduler: every VM in turn gets the processor for a slice of virtual time.

A VM's time passes only while it has the processor, and drives its timers and devices: a guest cannot tell that it is
not alone. A halted guest's time skips to its next event within its turn.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from hardware_model import counters as counter_table
from hardware_model import processor_context
from hardware_model.machine import Machine
from hardware_model.mmu.geometry import TlbGeometry
from hardware_model.partition import Partition
from techniques import io_models
from techniques.assignment import Assignment
from techniques.frames import FrameAllocator
from techniques.guest import BootImage
from techniques.knobs import Value
from techniques.several.virtual_machine import VirtualMachine
from techniques.technique import Technique

SLICE = 20_000
HOST_BYTES = 4 << 20
_ALIGNED = 2 << 20


@dataclass(frozen=True, slots=True)
class Plan:
    """What one VM is to be: its technique, image and knobs, and the virtual time that it may take."""

    kind: type[Technique]
    image: BootImage
    settings: Mapping[str, Value]
    budget: int
    io: str = io_models.EMULATED

    @property
    def memory_bytes(self) -> int:
        """Machine memory for it, in pages of 2 MiB."""
        ram_bytes = self.image.ram_bytes
        return -(-(self.kind.vmm_bytes_beside(ram_bytes) + ram_bytes) // _ALIGNED) * _ALIGNED


class RoundRobin:
    """A machine with a VM for each of `plans`, one behind the other in its memory, then the host's own frames.

    `around`, called with a VM, is entered before each of its turns and left afterwards.
    """

    def __init__(self, plans: Sequence[Plan], geometry: TlbGeometry, units: int = SLICE) -> None:
        self._plans, self._units = plans, units
        self.around: Callable[[VirtualMachine], AbstractContextManager[object]] = nullcontext
        end = sum(plan.memory_bytes for plan in plans)
        self.machine = Machine(end + HOST_BYTES, geometry)
        self.host_frames = FrameAllocator(end, end + HOST_BYTES)
        power_on = processor_context.save(self.machine)
        self.assignment = Assignment(self.machine, self.host_frames)
        if any(plan.io == io_models.PASSTHROUGH for plan in plans):
            self.assignment.enable()
        self.machines: list[VirtualMachine] = []
        base = 0
        for number, plan in enumerate(plans):
            partition = Partition(base, base + plan.memory_bytes, number)
            context = processor_context.fresh(self.machine, power_on, partition)
            self.machines.append(
                VirtualMachine(
                    self.machine,
                    context,
                    plan.kind,
                    plan.image,
                    plan.settings,
                    plan.io,
                    self.assignment,
                )
            )
            base = partition.end

    def counters(self) -> counter_table.CounterArray:
        """What all VMs and their VMMs did."""
        total = counter_table.new()
        for vm in self.machines:
            total += vm.counters()
        return total

    def run(self) -> None:
        """Run every VM to its end."""
        while self.turn():
            pass

    def turn(self) -> bool:
        """One slice for every VM that has not ended; False when all have."""
        for vm, plan in zip(self.machines, self._plans, strict=True):
            if vm.end is None:
                with self.around(vm):
                    vm.run(self._units, plan.budget)
        return any(vm.end is None for vm in self.machines)
