"""First-generation VT-x: the VMM keeps shadow page tables, the processor walks only those."""

from __future__ import annotations

from collections.abc import Mapping

from hardware_model.boot import CpuState
from hardware_model.machine import Machine
from hardware_model.vmx.controls import Primary, Secondary
from hardware_model.vmx.feature_levels import FeatureLevel
from hardware_model.vmx.fields import Field
from techniques.frames import FrameAllocator
from techniques.guest import BootImage
from techniques.hvm.controls import CR0_NE, CR4_VMXE
from techniques.hvm.vmm import (
    EFER,
    FIRST_FRAME,
    INVALID_OPCODE,
    PAGE_FAULT,
    TPR_SHADOW,
    Hvm,
)
from techniques.io_models.knobs import INTERRUPTS, PARAVIRTUAL_KNOBS
from techniques.knobs import Knob, Value
from techniques.shadow import DeviceAccess, EmulateWrite, Filled, GuestFault, ShadowPager
from techniques.shadow.prefetch import PREFETCH

_EXCEPTION_BITMAP = 1 << PAGE_FAULT | 1 << INVALID_OPCODE
_WP, _NXE = 1 << 16, 1 << 11
POLICY = Knob(
    "shadow.policy",
    "trace",
    ("trace", "virtual-tlb", "unsync"),
    "how shadow tables follow the guest's",
    "trace: an exit for each page-table write; virtual-tlb: refills after each CR3 write; "
    "unsync: resynchronization at flushes",
)


class HvmShadow(Hvm):
    """The guest under VT-x without EPT and without VPIDs."""

    name = "hvm-shadow"
    doc = "the guest kernel runs at CPL 0 in VMX non-root operation on shadow page tables (first-generation VT-x)"
    knobs = (TPR_SHADOW, POLICY, PREFETCH, *PARAVIRTUAL_KNOBS, INTERRUPTS)

    def __init__(self, machine: Machine, image: BootImage, knobs: Mapping[str, Value]) -> None:
        super().__init__(machine, image, knobs)
        self._cr = {0: 0, 3: 0, 4: 0}
        self._efer = 0
        self.pager = ShadowPager(
            guest=self.memory,
            machine=machine.memory,
            frames=FrameAllocator(self.base + FIRST_FRAME, self.memory.base),
            tlb=ProcessorTlb(machine),
            counters=machine.counters,
            policy=str(knobs["shadow.policy"]),
            prefetch=int(knobs["shadow.prefetch"]),
        )

    @classmethod
    def feature_level(cls, knobs: Mapping[str, Value]) -> FeatureLevel:
        """The first generation; posted interrupts need a processor of a later one, whose EPT is left off."""
        posted = knobs[INTERRUPTS.name] == "posted"
        return FeatureLevel.VIRTUAL_APIC if posted else FeatureLevel.FIRST_GENERATION

    def set_up_memory(self, state: CpuState) -> tuple[Primary, Secondary]:
        """Start the pager on the guest's boot tables; the VMM owns all control-register bits that concern paging."""
        self._cr = {0: state.cr0, 3: state.cr3, 4: state.cr4}
        self._efer = state.efer
        self.machine.processor.write_msr(EFER, state.efer | _NXE)
        self.pager.set_registers(cr0=state.cr0, cr3=state.cr3, cr4=state.cr4, efer=state.efer)
        write = self.vmx.write
        write(Field.EXCEPTION_BITMAP, _EXCEPTION_BITMAP)
        write(Field.CR0_GUEST_HOST_MASK, 0xFFFFFFFF)
        write(Field.CR4_GUEST_HOST_MASK, 0xFFFFFFFF)
        if self.vmx.capabilities.level >= FeatureLevel.EPT:
            write(Field.GUEST_IA32_EFER, state.efer | _NXE)
        self._show_control_registers()
        return (
            Primary.INVLPG_EXITING | Primary.CR3_LOAD_EXITING | Primary.CR3_STORE_EXITING,
            Secondary(0),
        )

    def _show_control_registers(self) -> None:
        """Real registers: what the guest set, with write protection always on; shadows: what the guest reads."""
        write = self.vmx.write
        write(Field.GUEST_CR0, self._cr[0] | CR0_NE | _WP)
        write(Field.GUEST_CR4, self._cr[4] | CR4_VMXE)
        write(Field.GUEST_CR3, self.pager.root)
        write(Field.CR0_READ_SHADOW, self._cr[0])
        write(Field.CR4_READ_SHADOW, self._cr[4])

    def translate(self, linear: int) -> int | None:
        """Walk the guest's tables without side effects."""
        return self.pager.translate(linear)

    def table_written(self, gpa: int, size: int) -> None:
        """Tell the pager of an emulated store."""
        self.pager.guest_table_written(gpa, size)

    def page_fault(self, error: int, linear: int) -> None:
        """Hidden fault, true fault, traced write, or device register."""
        match self.pager.on_page_fault(linear, error, self.machine.registers.alignment_check):
            case Filled():
                pass
            case GuestFault(error_code=code, va=va):
                self.machine.registers.store_cr2(va)
                self.inject(PAGE_FAULT, code)
            case EmulateWrite():
                self.emulator.store()
            case DeviceAccess(gpa=gpa):
                self.emulator.device_access(gpa)

    def read_msr(self, number: int) -> int | None:
        """EFER as the guest wrote it."""
        return self._efer if number == EFER else super().read_msr(number)

    def msr_written(self, number: int, value: int) -> None:
        """EFER.NXE changes what the guest's tables mean; the shadow tables always need it."""
        if number == EFER:
            self._efer = self.machine.registers.efer
            self.machine.processor.write_msr(EFER, self._efer | _NXE)
            self.pager.on_efer_write(self._efer)
            self.vmx.write(Field.GUEST_CR3, self.pager.root)

    def invalidate_page(self, linear: int) -> None:
        """INVLPG by the guest."""
        self.pager.on_invlpg(linear)

    def map_device(self, page: int) -> None:
        """A shadow entry leads to the registers wherever the guest maps them."""
        self.pager.pass_device(page >> 12)

    def guest_cr(self, number: int) -> int:
        """The registers as the guest wrote them."""
        return self._cr[number]

    def write_cr(self, number: int, value: int) -> None:
        """The guest loads CR0, CR3 or CR4."""
        self._cr[number] = value
        if number == 3:
            self.pager.on_cr3_write(value)
            self.vmx.write(Field.GUEST_CR3, self.pager.root)
            return
        self.pager.on_cr_write(number, value)
        self._show_control_registers()


class ProcessorTlb:
    """The processor's TLB as the pager needs it. Without VPIDs each VM transition has emptied it already."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine

    def invalidate_page(self, va: int) -> None:
        """Drop one page's translation."""
        self._machine.invalidate_page(va)

    def flush(self) -> None:
        """Drop all translations of the current tag."""
        self._machine.flush_tlb()
