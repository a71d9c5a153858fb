"""The VMM that VT-x exits into: one handler for each exit reason; memory virtualization is the subclass's part."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import ClassVar

from hardware_model import counters as counter_table
from hardware_model.boot import CpuState
from hardware_model.cpu import control_registers
from hardware_model.cpu.apic_page import ApicPage
from hardware_model.devices import local_apic
from hardware_model.machine import End, Machine
from hardware_model.platform import Platform
from hardware_model.vmx.controls import Primary, Secondary
from hardware_model.vmx.exit_reasons import Reason
from hardware_model.vmx.feature_levels import FeatureLevel
from hardware_model.vmx.fields import Field
from hardware_model.vmx.interruption import Interruption
from hardware_model.vmx.layout import WORD_INDEX
from hardware_model.vmx.transitions import Vmx
from techniques.emulator import Emulator, NothingToExecute
from techniques.guest import BootImage
from techniques.hvm import bitmaps, controls, exit_handlers, virtualized_apic
from techniques.hvm.injection import Injection
from techniques.hvm.interrupt_paths import BY_INJECTION, OWN, POSTED, set_notification
from techniques.io_models.knobs import INTERRUPTS, PARAVIRTUAL_KNOBS
from techniques.knobs import Knob, Value
from techniques.technique import GuestError, GuestRegisters, Technique
from techniques.virtual_platform import VirtualPlatform

MIB = 1 << 20
VMCS_PAGE, MSR_BITMAPS, VIRTUAL_APIC, FIRST_FRAME = 0x1000, 0x2000, 0x3000, 0x10000
IO_BITMAPS, POSTED_DESCRIPTOR = 0x4000, 0x6000
GENERAL_PROTECTION, INVALID_OPCODE, PAGE_FAULT = 13, 6, 14
EFER, TSC, TSC_AUX = 0xC0000080, 0x10, 0xC0000103
RDTSCP = b"\x0f\x01\xf9"
_EMULATE = counter_table.index("emulate")
_THRESHOLD_WORD = WORD_INDEX[Field.TPR_THRESHOLD]
_REASON_NAMES = {int(reason): reason.name.lower() for reason in Reason}
PASSED_MSRS = (0xC0000100, 0xC0000101, 0xC0000102, 0x174, 0x175, 0x176)
TPR_SHADOW = Knob(
    "tpr-shadow",
    True,
    (True, False),
    "CR8 accesses go to the virtual-APIC page",
    "off: every CR8 access exits",
)


class Hvm(Technique):
    """A guest in VMX non-root operation."""

    vmm_bytes = 32 * MIB
    knobs: ClassVar[tuple[Knob, ...]] = (TPR_SHADOW, *PARAVIRTUAL_KNOBS, INTERRUPTS)

    def __init__(self, machine: Machine, image: BootImage, knobs: Mapping[str, Value]) -> None:
        super().__init__(machine, image, knobs)
        self.vmx = Vmx(machine, self.feature_level(knobs), self.base + VMCS_PAGE)
        self.counts = machine.counters.data
        self.apic_page = ApicPage(machine.memory, self.base + VIRTUAL_APIC)
        self._shown_priority = machine.memory.view(self.apic_page.address + local_apic.TPR, 1)
        self.tpr_shadow = bool(knobs["tpr-shadow"])
        self._open_ports: set[int] = set()
        self.interrupt_path = BY_INJECTION
        self._show(VirtualPlatform(machine))
        self._handlers: dict[int, Callable[[Hvm], None]] = exit_handlers.HANDLERS

    def _show(self, virtual: VirtualPlatform) -> None:
        self.virtual = virtual
        self.injection = Injection(self.vmx, virtual, tpr_shadow=self.tpr_shadow)
        self.emulator = Emulator(
            self.machine, self.memory, virtual, self.translate, self.table_written, self.refuse
        )

    def give_interrupts(self) -> None:
        """The machine's local APIC becomes the guest's, and nothing of it exits."""
        self.interrupt_path, self.tpr_shadow = OWN, False
        self.map_device(local_apic.BASE)

    def post_interrupts(self) -> int:
        """The processor virtualizes the guest's local APIC, and delivers what is posted in the descriptor."""
        if not self.tpr_shadow:
            raise GuestError(
                "posted interrupts need the virtual-APIC page, so tpr-shadow must be on"
            )
        self.interrupt_path = POSTED
        self._show(VirtualPlatform(self.machine, virtualized_apic.maker(self.vmx, self.apic_page)))
        self.map_device(local_apic.BASE)
        descriptor = self.base + POSTED_DESCRIPTOR
        set_notification(self.vmx, descriptor)
        return descriptor

    @classmethod
    @abstractmethod
    def feature_level(cls, knobs: Mapping[str, Value]) -> FeatureLevel:
        """The generation of VT-x to run on."""

    @abstractmethod
    def set_up_memory(self, state: CpuState) -> tuple[Primary, Secondary]:
        """Build tables, write guest control registers; the controls that memory virtualization needs."""

    @abstractmethod
    def translate(self, linear: int) -> int | None:
        """Guest-physical address of a linear address by the guest's own tables."""

    @abstractmethod
    def guest_cr(self, number: int) -> int:
        """CR0, CR3 or CR4 as the guest sees it."""

    @abstractmethod
    def write_cr(self, number: int, value: int) -> None:
        """The guest loads CR0, CR3 or CR4; the value was found legal."""

    def table_written(self, gpa: int, size: int) -> None:
        """The emulator stored to guest memory."""

    def take_host_vector(self, vector: int, action: Callable[[], None]) -> None:
        """An assigned device's interrupt."""
        self.virtual.host_vectors[vector] = action

    def open_ports(self, first: int, count: int) -> None:
        """No exits for these ports."""
        self._open_ports |= set(range(first, first + count))

    def memory_written(self, gpa: int, size: int) -> None:
        """A device model stored to guest memory."""
        self.table_written(gpa, size)

    def page_fault(self, error: int, linear: int) -> None:
        """A page fault exited."""
        raise GuestError(f"page fault at {linear:#x} exited although no VMM asked for it")

    def ept_violation(self, gpa: int) -> None:
        """An EPT violation exited."""
        raise GuestError(f"EPT violation at guest-physical {gpa:#x} without EPT")

    def read_msr(self, number: int) -> int | None:
        """An MSR as the guest reads it; None means #GP(0)."""
        return self.machine.processor.msrs.read(number)

    def msr_written(self, number: int, value: int) -> None:
        """The guest wrote an MSR."""

    def invalidate_page(self, linear: int) -> None:
        """The guest executed INVLPG."""

    @property
    def platform(self) -> Platform:
        """The virtual devices."""
        return self.virtual.devices

    def start(self) -> None:
        """Set up the VMCS and launch the guest."""
        state = self.boot()
        registers = self.machine.registers
        registers.set_general(state.gpr)
        self.machine.processor.write_msr(EFER, state.efer)
        controls.set_host_state(self.vmx)
        controls.set_guest_state(self.vmx, state)
        primary, secondary = self.set_up_memory(state)
        path = self.interrupt_path
        controls.set_controls(
            self.vmx,
            primary | path.primary | self._common_controls(),
            secondary | path.secondary,
            pin_based=path.pin_based,
            leave=path.exit,
        )
        self._arm()
        self.vmx.launch(self.on_exit)

    def resume(self, budget: int | None = None, pause: int | None = None) -> End:
        """Run in VMX non-root operation."""
        return self.vmx.run(budget, pause)

    def _common_controls(self) -> Primary:
        chosen = Primary.USE_MSR_BITMAPS | self._io_exiting()
        self._set_msr_bitmaps()
        if self.interrupt_path is OWN:
            return chosen
        if self.tpr_shadow:
            self.vmx.write(Field.VIRTUAL_APIC_ADDRESS, self.apic_page.address)
            return chosen | Primary.USE_TPR_SHADOW
        return chosen | Primary.CR8_LOAD_EXITING | Primary.CR8_STORE_EXITING

    def _io_exiting(self) -> Primary:
        """All ports exit, or all but those of assigned devices."""
        if not self._open_ports:
            return Primary.UNCONDITIONAL_IO_EXITING
        at = self.base + IO_BITMAPS
        self.machine.memory.write(at, bitmaps.io(self._open_ports))
        self.vmx.write(Field.IO_BITMAP_A, at)
        self.vmx.write(Field.IO_BITMAP_B, at + 0x1000)
        return Primary.USE_IO_BITMAPS

    def _set_msr_bitmaps(self) -> None:
        self.machine.memory.write(self.base + MSR_BITMAPS, bitmaps.msrs(PASSED_MSRS))
        self.vmx.write(Field.MSR_BITMAPS, self.base + MSR_BITMAPS)

    def on_exit(self, reason: int) -> None:
        """Handle one VM exit."""
        self.hot_exits[_REASON_NAMES[reason], self.machine.registers.rip] += 1
        self.injection.begin()
        self.pull_task_priority()
        handler = self._handlers.get(reason)
        if handler is None:
            raise GuestError(
                f"exit {Reason(reason).name} at RIP {self.machine.registers.rip:#x} has no handler"
            )
        try:
            handler(self)
        except NothingToExecute:
            self.inject(INVALID_OPCODE)
        if self.machine.running:
            self.injection.finish()
            self.push_task_priority()
            self._arm()

    def _arm(self) -> None:
        """Program the host's timer for the virtual devices; there is none when the guest has the local APIC."""
        if self.interrupt_path is not OWN:
            self.virtual.arm()
        elif self.virtual.devices.next_event() is not None:
            raise GuestError(
                "the guest uses a timer that the VMM would have to keep, but has the processor's local APIC"
            )

    @property
    def _watches_task_priority(self) -> bool:
        return self.tpr_shadow and self.interrupt_path is not POSTED

    def pull_task_priority(self) -> None:
        """The guest's TPR may have changed in the virtual-APIC page."""
        if self._watches_task_priority:
            self.virtual.apic.task_priority = self._shown_priority[0] & 0xFF

    def push_task_priority(self) -> None:
        """Show the TPR in the virtual-APIC page, and ask for an exit when it drops below a waiting interrupt."""
        if not self._watches_task_priority:
            return
        apic = self.virtual.apic
        priority, waiting = apic.task_priority, apic.pending_class
        if self._shown_priority[0] & 0xFFFFFFFF != priority:
            self.apic_page.set_register(local_apic.TPR, priority)
        threshold = waiting if waiting and waiting <= priority >> 4 else 0
        if self.vmx.vmcs.view[_THRESHOLD_WORD] != threshold:
            self.vmx.write(Field.TPR_THRESHOLD, threshold)

    def inject(self, vector: int, error: int | None = None) -> None:
        """Have the guest take an exception at its current instruction."""
        if not self.injection.exception(vector, error):
            self.machine.end(End.TRIPLE_FAULT)

    def load_control_register(self, number: int, value: int) -> bool:
        """MOV to CR by the guest; False means that it takes #GP(0)."""
        if not control_registers.valid(number, value, self.machine.registers):
            self.inject(GENERAL_PROTECTION, 0)
            return False
        self.write_cr(number, value)
        return True

    def exception_exit(self) -> None:
        """Exit reason 0: page faults, and #UD where the processor lacks an instruction that the guest was shown."""
        info = Interruption.decode(self.vmx.read(Field.EXIT_INTERRUPTION_INFO))
        if info.vector == PAGE_FAULT:
            error = self.vmx.read(Field.EXIT_INTERRUPTION_ERROR_CODE)
            self.page_fault(error, self.vmx.read(Field.EXIT_QUALIFICATION))
        elif info.vector == INVALID_OPCODE:
            self._undefined_instruction()
        else:
            raise GuestError(
                f"exception {info.vector} exited although the exception bitmap does not select it"
            )

    def _undefined_instruction(self) -> None:
        """Without "enable RDTSCP" RDTSCP raises #UD in VMX non-root operation; the guest has it all the same."""
        if not self.emulator.fetch().startswith(RDTSCP):
            self.inject(INVALID_OPCODE)
            return
        self.counts[_EMULATE] += 1
        gpr, time = self.machine.registers.gpr, self.read_msr(TSC) or 0
        gpr[0], gpr[2], gpr[1] = time & 0xFFFFFFFF, time >> 32, self.read_msr(TSC_AUX) or 0
        self.emulator.complete(len(RDTSCP))

    def guest_registers(self) -> GuestRegisters:
        """The guest's registers, control registers as the guest sees them."""
        r = self.machine.registers
        return GuestRegisters(
            gpr=tuple(int(v) for v in r.gpr),
            rip=r.rip,
            rflags=r.rflags,
            cr=(self.guest_cr(0), r.cr(2), self.guest_cr(3), self.guest_cr(4)),
            efer=self.read_msr(EFER) or 0,
            cs=r.segment("cs").selector,
            ss=r.segment("ss").selector,
        )
