"""APIC virtualization: the virtual-APIC page, virtual interrupts, posted interrupts (SDM vol. 3C chapter 29).

A register of the virtual local APIC stands in the virtual-APIC page at the offset that it has on the bus. The guest
interrupt status of the VMCS names the best vectors requested (RVI, of VIRR) and in service (SVI, of VISR):

    device -> VT-d -> PIR of the descriptor -> [notified] -> VIRR, RVI -> [RVI > VPPR, IF] -> VISR, SVI -> guest's IDT
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from hardware_model import counters as counter_table
from hardware_model.cpu import device_access
from hardware_model.cpu.apic_page import ApicPage
from hardware_model.cpu.apic_registers import EOI, ICR_HIGH, ICR_LOW, READABLE, TPR, WRITABLE
from hardware_model.cpu.apic_registers import self_ipi as is_self_ipi
from hardware_model.devices import local_apic as R
from hardware_model.executor import words as W
from hardware_model.vmx.controls import Exit, PinBased, Primary, Secondary
from hardware_model.vmx.exit_reasons import Reason
from hardware_model.vmx.fields import Field
from hardware_model.vmx.qualifications import ApicAccess, ApicAccessType
from hardware_model.vmx.vmcs import Vmcs
from hardware_model.vtd import posted_interrupts

if TYPE_CHECKING:
    from hardware_model.machine import Machine

DONE, NOTHING = 0x100, 0xFF
"""Answers to an APIC access: a basic exit reason, or NOTHING if none follows; DONE if the instruction is completed."""
AWAKE, UNACKNOWLEDGED, BY_NMI = 0x100, 0x101, 0x102
"""Answers to HLT: the guest goes on, or an exit by an external interrupt; else such an exit by that vector."""
_PAGE, _REGISTER_BYTES, _WIDEST = 0xFFF, 16, 4
_ACCESS, _POSTED, _DELIVERED = (
    counter_table.index(f"vmx.{name}") for name in ("apic_access", "posted", "virtual_interrupt")
)
_EOI_EXITS = (
    Field.EOI_EXIT_BITMAP0,
    Field.EOI_EXIT_BITMAP1,
    Field.EOI_EXIT_BITMAP2,
    Field.EOI_EXIT_BITMAP3,
)


def virtual_apic_events(current: Callable[[], VirtualApic | None]) -> dict[int, Callable[[], int]]:
    """Handlers of the events of APIC virtualization, by the `current` guest's."""

    def apic() -> VirtualApic:
        found = current()
        assert found is not None
        return found

    return {
        W.Event.APIC_ACCESS: lambda: apic().access(),
        W.Event.TASK_PRIORITY: lambda: apic().prioritize(),
        W.Event.NOTIFIED: lambda: apic().notified(),
        W.Event.EVALUATE: lambda: apic().prioritize(),
        W.Event.VIRTUAL_INTERRUPT: lambda: apic().deliver(),
        W.Event.VIRTUAL_HALT: lambda: apic().halt(),
    }


class VirtualApic:
    """The processor's part in the local APIC of the guest whose VMCS is `vmcs`."""

    def __init__(self, machine: Machine, vmcs: Vmcs) -> None:
        self._machine, self._vmcs = machine, vmcs
        self._words, self._memory = machine.words, machine.memory
        self._counters, self._registers = machine.counters, machine.registers

    @property
    def page(self) -> ApicPage:
        """The virtual-APIC page."""
        return ApicPage(self._memory, self._vmcs.load(Field.VIRTUAL_APIC_ADDRESS))

    @property
    def requested(self) -> int:
        """RVI."""
        return self._vmcs.load(Field.GUEST_INTERRUPT_STATUS) & 0xFF

    @property
    def in_service(self) -> int:
        """SVI."""
        return self._vmcs.load(Field.GUEST_INTERRUPT_STATUS) >> 8

    def _set_status(self, requested: int, in_service: int) -> None:
        self._vmcs.store(Field.GUEST_INTERRUPT_STATUS, requested | in_service << 8)

    @property
    def recognized(self) -> bool:
        """Whether a pending virtual interrupt is recognized."""
        return bool(self._words[W.VIRTUAL_INTERRUPT])

    def _primary(self, control: Primary) -> bool:
        return bool(self._vmcs.load(Field.PRIMARY_CONTROLS) & control)

    def _secondary(self, control: Secondary) -> bool:
        return bool(self._vmcs.load(Field.SECONDARY_CONTROLS) & control)

    def evaluate(self) -> int:
        """Evaluation of pending virtual interrupts (29.2.1)."""
        waits = self.requested >> 4 > self.page.register(R.PPR) >> 4
        window = self._primary(Primary.INTERRUPT_WINDOW_EXITING)
        self._words[W.VIRTUAL_INTERRUPT] = waits and not window
        return 0

    def prioritize(self) -> int:
        """PPR virtualization (29.1.3), and the evaluation that follows it at VM entry and after MOV to CR8."""
        task, service = self.page.register(TPR) & 0xFF, self.in_service
        self.page.set_register(R.PPR, task if task >> 4 >= service >> 4 else service & 0xF0)
        return self.evaluate()

    def request(self, bits: int) -> None:
        """Requests of the vectors in `bits`, and evaluation: posted interrupts (29.6), self-IPIs (29.1.5)."""
        self.page.set_vectors(R.IRR, self.page.vectors(R.IRR) | bits)
        self._set_status(max(self.requested, _highest(bits)), self.in_service)
        self.evaluate()

    def notified(self) -> int:
        """Posted-interrupt processing (29.6), its notification being acknowledged."""
        self._counters[_POSTED] += 1
        descriptor = self._vmcs.load(Field.POSTED_INTERRUPT_DESCRIPTOR)
        requests = posted_interrupts.take(self._memory, descriptor)
        self._machine.platform.apic.end_of_interrupt()
        self.request(requests)
        return 0

    def deliver(self) -> int:
        """Virtual-interrupt delivery (29.2.2): the vector, which is in service from now on."""
        self._counters[_DELIVERED] += 1
        vector = self.requested
        self.page.set_vectors(R.ISR, self.page.vectors(R.ISR) | 1 << vector)
        left = self.page.vectors(R.IRR) & ~(1 << vector)
        self.page.set_vectors(R.IRR, left)
        self.page.set_register(R.PPR, vector & 0xF0)
        self._set_status(_highest(left), vector)
        self._words[W.VIRTUAL_INTERRUPT] = 0
        return vector

    def halt(self) -> int:
        """HLT: sleep until the guest can take an interrupt, an NMI comes, or the VMM must act (29.2.2, 29.6).

        With interrupts off only NMIs wake the guest; the run ends as on the bare machine if none can come.
        """
        while True:
            if self._machine.engine.nmi_waits or self._nmi_window:
                return BY_NMI
            window = self._primary(Primary.INTERRUPT_WINDOW_EXITING)
            if (self.recognized or window) and self._registers.interrupts_enabled:
                return AWAKE
            if not self._machine.sleep():
                self._machine.halted()
            if not self._machine.running:
                return AWAKE
            if self._machine.engine.nmi_waits:
                continue
            if not self._pin(PinBased.EXTERNAL_INTERRUPT_EXITING):
                return AWAKE
            if not self._vmcs.load(Field.EXIT_CONTROLS) & Exit.ACKNOWLEDGE_INTERRUPT:
                return UNACKNOWLEDGED
            vector = self._machine.acknowledge()
            if not self._notifies(vector):
                return vector
            self.notified()

    @property
    def _nmi_window(self) -> bool:
        return bool(self._words[W.NMI_WINDOW]) and not self._registers.nmi_blocked

    def _pin(self, control: PinBased) -> bool:
        return bool(self._vmcs.load(Field.PIN_BASED_CONTROLS) & control)

    def _notifies(self, vector: int) -> bool:
        posted = self._pin(PinBased.POSTED_INTERRUPTS)
        return posted and vector == self._vmcs.load(Field.POSTED_INTERRUPT_VECTOR)

    def access(self) -> int:
        """A load or store of the guest in the APIC-access page (29.4)."""
        offset = int(self._words[W.EVENT_PHYSICAL]) & _PAGE
        write = bool(self._words[W.EVENT_WRITE])
        try:
            found = device_access.decode(
                self._machine.engine.instruction_bytes(), self._registers.rip
            )
        except device_access.UnsupportedAccess:
            return self._access_exit(offset, write=write)
        if not self._virtualized(offset, found.size, write=write):
            return self._access_exit(offset, write=write)
        self._counters[_ACCESS] += 1
        if found.stored is None:
            value = self.page.register(offset & ~3) >> 8 * (offset & 3)
            found.complete_load(self._registers, value & (1 << 8 * found.size) - 1)
            return DONE | NOTHING
        self.page.set_register(offset, found.stored(self._registers), found.size)
        return DONE | self.written(offset & ~3)

    def _access_exit(self, offset: int, *, write: bool) -> int:
        kind = ApicAccessType.LINEAR_WRITE if write else ApicAccessType.LINEAR_READ
        self._words[W.EVENT_QUALIFICATION] = ApicAccess(offset, kind).encode()
        return Reason.APIC_ACCESS

    def _virtualized(self, offset: int, size: int, *, write: bool) -> bool:
        """Whether the virtual-APIC page serves the access (29.4.2, 29.4.3)."""
        if not self._primary(Primary.USE_TPR_SHADOW) or size > _WIDEST:
            return False
        if offset % _REGISTER_BYTES + size > _WIDEST:
            return False
        if self._secondary(Secondary.APIC_REGISTER_VIRTUALIZATION):
            return (offset & ~3) in (WRITABLE if write else READABLE)
        delivers = self._secondary(Secondary.VIRTUAL_INTERRUPT_DELIVERY)
        return offset == TPR or (write and delivers and offset in (EOI, ICR_LOW))

    def written(self, register: int) -> int:
        """APIC-write emulation (29.4.3.2): the exit that follows, or NOTHING."""
        delivers = self._secondary(Secondary.VIRTUAL_INTERRUPT_DELIVERY)
        if register == TPR:
            self.page.set_register(TPR, self.page.register(TPR) & 0xFF)
            return self._task_priority_written(delivers=delivers)
        if register == EOI and delivers:
            self.page.set_register(EOI, 0)
            return self.end_of_interrupt()
        if register == ICR_LOW and delivers and is_self_ipi(self.page.register(ICR_LOW)):
            self.request(1 << (self.page.register(ICR_LOW) & 0xFF))
            return NOTHING
        if register == ICR_HIGH:
            self.page.set_register(ICR_HIGH, self.page.register(ICR_HIGH) & 0xFF000000)
            return NOTHING
        self._words[W.EVENT_QUALIFICATION] = register
        return Reason.APIC_WRITE

    def _task_priority_written(self, *, delivers: bool) -> int:
        """TPR virtualization (29.1.2)."""
        if delivers:
            self.prioritize()
            return NOTHING
        if self.page.register(TPR) >> 4 >= self._vmcs.load(Field.TPR_THRESHOLD) & 0xF:
            return NOTHING
        self._words[W.EVENT_QUALIFICATION] = 0
        return Reason.TPR_BELOW_THRESHOLD

    def end_of_interrupt(self) -> int:
        """EOI virtualization (29.1.4): the exit that follows, or NOTHING."""
        vector = self.in_service
        left = self.page.vectors(R.ISR) & ~(1 << vector)
        self.page.set_vectors(R.ISR, left)
        self._set_status(self.requested, _highest(left))
        self.prioritize()
        if not self._vmcs.load(_EOI_EXITS[vector >> 6]) >> (vector & 63) & 1:
            return NOTHING
        self._words[W.EVENT_QUALIFICATION] = vector
        return Reason.VIRTUALIZED_EOI


def _highest(bits: int) -> int:
    return max(bits.bit_length() - 1, 0)
