"""VT-x with EPT: the guest owns its page tables; guest-physical addresses are translated by the
VMM's extended page tables.
"""

from __future__ import annotations

from collections.abc import Mapping

from hardware_model import counters as counter_table
from hardware_model.boot import CpuState
from hardware_model.machine import Machine
from hardware_model.mmu.ept import EptEntry, EptTables, MemoryType
from hardware_model.vmx.controls import Primary, Secondary
from hardware_model.vmx.feature_levels import FeatureLevel
from hardware_model.vmx.fields import Field
from hardware_model.vmx.qualifications import EptViolation
from techniques.emulator import NothingToExecute
from techniques.guest import BootImage
from techniques.hvm.controls import CR0_NE, CR4_VMXE
from techniques.hvm.vmm import FIRST_FRAME, MIB, TPR_SHADOW, Hvm
from techniques.io_models.knobs import INTERRUPTS, PARAVIRTUAL_KNOBS
from techniques.knobs import Knob, Value
from techniques.refusals import RefusalReason

_FILLED = counter_table.index("ept.filled")
_PAGE_SIZES = {"4k": 1 << 12, "2m": 1 << 21}
# Bits that the guest may change without an exit, as KVM leaves them to it under EPT.
_GUEST_OWNED_CR0 = 1 << 3 | 1 << 16  # TS, WP
_GUEST_OWNED_CR4 = (
    1 << 1 | 1 << 2 | 1 << 3 | 1 << 7 | 1 << 8 | 1 << 9 | 1 << 10
)  # PVI TSD DE PGE PCE OSFXSR OSXMMEXCPT

PAGE_SIZE = Knob(
    "ept.page",
    "4k",
    ("4k", "2m"),
    "size of EPT pages",
    "2m: fewer walk references, coarser protection",
)
POPULATE = Knob(
    "ept.populate",
    "eager",
    ("eager", "demand"),
    "when EPT entries are made",
    "demand: one exit for each page first touched",
)
VPID = Knob(
    "vpid",
    True,
    (True, False),
    "tag TLB entries with a VPID",
    "off: every VM exit and entry flushes the TLB",
)


class HvmEpt(Hvm):
    """The guest under VT-x with EPT and, by default, VPIDs."""

    name = "hvm-ept"
    doc = "the guest kernel runs at CPL 0 in VMX non-root operation; EPT translates its physical addresses"
    refuses_by = RefusalReason.EPT_VIOLATION
    knobs = (TPR_SHADOW, PAGE_SIZE, POPULATE, VPID, *PARAVIRTUAL_KNOBS, INTERRUPTS)

    def __init__(self, machine: Machine, image: BootImage, knobs: Mapping[str, Value]) -> None:
        super().__init__(machine, image, knobs)
        self._tables = EptTables(
            machine.engine.ram64, self.base + FIRST_FRAME, self.vmm_bytes - FIRST_FRAME
        )
        self._page = _PAGE_SIZES[str(knobs["ept.page"])]

    @classmethod
    def feature_level(cls, knobs: Mapping[str, Value]) -> FeatureLevel:
        """EPT, with VPIDs if they are on, and what posted interrupts need."""
        if knobs[INTERRUPTS.name] == "posted":
            return FeatureLevel.VIRTUAL_APIC
        return FeatureLevel.EPT_VPID if knobs["vpid"] else FeatureLevel.EPT

    def set_up_memory(self, state: CpuState) -> tuple[Primary, Secondary]:
        """Build the EPT and give the guest its control registers."""
        if self.settings["ept.populate"] == "eager":
            self._tables.map(0, self.memory.base, self.memory.size, page_size=self._page)
        write = self.vmx.write
        write(Field.EPT_POINTER, self._tables.eptp())
        write(Field.GUEST_CR0, state.cr0 | CR0_NE)
        write(Field.GUEST_CR3, state.cr3)
        write(Field.GUEST_CR4, state.cr4 | CR4_VMXE)
        write(Field.CR0_GUEST_HOST_MASK, 0xFFFFFFFF & ~_GUEST_OWNED_CR0)
        write(Field.CR4_GUEST_HOST_MASK, 0xFFFFFFFF & ~_GUEST_OWNED_CR4)
        write(Field.CR0_READ_SHADOW, state.cr0)
        write(Field.CR4_READ_SHADOW, state.cr4)
        secondary = Secondary.ENABLE_EPT | Secondary.ENABLE_RDTSCP
        if self.settings["vpid"]:
            secondary |= Secondary.ENABLE_VPID
            write(Field.VPID, 1 + self.machine.partition.number)
        return Primary(0), secondary

    def translate(self, linear: int) -> int | None:
        """Walk the guest's tables without side effects."""
        address = self.machine.probe(linear)
        return None if address is None else address - self.memory.base

    def ept_violation(self, gpa: int) -> None:
        """Fill in a page of guest memory, or emulate the access to a device register."""
        if gpa >= self.memory.size:
            if not self.platform.bus.claims(gpa) and self._fetches():
                self.refuse(gpa)
                raise NothingToExecute
            self.emulator.device_access(gpa)
            return
        page = gpa & -self._page
        self._tables.map(page, self.memory.base + page, self._page, page_size=self._page)
        self.machine.counters[_FILLED] += 1

    def _fetches(self) -> bool:
        """Whether an instruction fetch caused the EPT violation."""
        access = EptViolation.decode(self.vmx.read(Field.EXIT_QUALIFICATION))
        return access.fetch and access.final_translation

    def map_foreign_frame(self, page: int) -> None:
        """As any other memory: to be executed too."""
        self._tables.map(page, page, 0x1000)

    def map_device(self, page: int) -> None:
        """An uncached EPT entry leads to the registers."""
        permissions = int(EptEntry.R | EptEntry.W)
        self._tables.map(page, page, 0x1000, permissions, memory_type=MemoryType.UC)

    def guest_cr(self, number: int) -> int:
        """The real register where the guest owns the bit, the read shadow elsewhere."""
        real = self.machine.registers.cr(number)
        if number == 3:
            return real
        mask, shadow = (
            (Field.CR0_GUEST_HOST_MASK, Field.CR0_READ_SHADOW)
            if number == 0
            else (Field.CR4_GUEST_HOST_MASK, Field.CR4_READ_SHADOW)
        )
        owned = self.vmx.vmcs.load(mask)
        return real & ~owned | self.vmx.vmcs.load(shadow) & owned

    def write_cr(self, number: int, value: int) -> None:
        """Load CR0 or CR4 for the guest; the bits the processor fixes stay on."""
        if number == 0:
            self.machine.processor.load_cr(0, value | CR0_NE)
            self.vmx.write(Field.GUEST_CR0, value | CR0_NE)
            self.vmx.write(Field.CR0_READ_SHADOW, value)
        elif number == 4:
            self.machine.processor.load_cr(4, value)
            self.vmx.write(Field.GUEST_CR4, value | CR4_VMXE)
            self.vmx.write(Field.CR4_READ_SHADOW, value)
        else:
            self.machine.processor.load_cr(3, value)
            self.vmx.write(Field.GUEST_CR3, value)


assert HvmEpt.vmm_bytes % (2 * MIB) == 0
