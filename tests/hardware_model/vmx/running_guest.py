"""A small guest in VMX non-root operation under a VMM that only writes down its exits.

Guest-physical addresses are machine addresses. The VMCS, bitmaps and EPT tables lie above the guest's memory. The
guest ends by the physical debug-exit port, which no control makes exit unless a test asks for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from hardware_model import boot
from hardware_model.executor.registers import GPR_NAMES
from hardware_model.machine import End, Machine
from hardware_model.mmu.ept import EptTables
from hardware_model.vmx.controls import PinBased, Primary, Secondary
from hardware_model.vmx.exit_reasons import BY_NUMBER, Reason
from hardware_model.vmx.feature_levels import FeatureLevel
from hardware_model.vmx.fields import Field
from hardware_model.vmx.transitions import Vmx
from techniques.hvm.controls import CR0_NE, CR4_VMXE, set_controls, set_guest_state, set_host_state
from tests.small_guest import RAM, VA, SmallGuest

VMCS, MSR_BITMAPS, IO_BITMAP_A, IO_BITMAP_B, VIRTUAL_APIC = (RAM + n * 0x1000 for n in range(1, 6))
_EPT, _EPT_BYTES = RAM + 0x10000, 0x100000
APIC_PAGE = 0xFEE00000
MOST_EXITS = 1000


@dataclass(frozen=True)
class Exit:
    """One VM exit: the exit-information fields, and the guest's RIP."""

    reason: Reason
    qualification: int
    rip: int
    length: int
    info: int
    error: int
    vectoring: int
    vectoring_error: int
    linear: int
    physical: int
    interruptibility: int
    time: int


@dataclass
class VmxGuest:
    """The guest, its VMCS, and the exits it took. `on_exit(self, exit)` may change anything before the next entry."""

    guest: SmallGuest
    level: FeatureLevel
    machine: Machine
    vmx: Vmx
    on_exit: Callable[[VmxGuest, Exit], bool | None] | None = None
    exits: list[Exit] = field(default_factory=list)
    end: End | None = None
    ept: EptTables | None = None

    def handle(self, number: int) -> None:
        """Note the exit; complete an instruction by stepping over it unless the test does something else."""
        seen = self._seen(number)
        self.exits.append(seen)
        if len(self.exits) > MOST_EXITS:
            self.machine.end()
        handled = self.on_exit(self, seen) if self.on_exit else None
        if handled is None:
            handled = False
            if (number, seen.qualification & 0x3F) == (Reason.CR_ACCESS, 3):
                self.machine.processor.load_cr(3, self.gpr_number(seen.qualification >> 8 & 15))
            if BY_NUMBER[number].instruction:
                self.vmx.skip_instruction()
        if not handled and seen.vectoring:
            self.inject_again(seen)

    def inject_again(self, seen: Exit) -> None:
        """What every VMM does with an event cut short: deliver it at the next entry."""
        write = self.vmx.write
        write(Field.ENTRY_INTERRUPTION_INFO, seen.vectoring & ~(1 << 12))
        write(Field.ENTRY_EXCEPTION_ERROR_CODE, seen.vectoring_error)
        write(Field.ENTRY_INSTRUCTION_LENGTH, seen.length)

    def _seen(self, number: int) -> Exit:
        read = self.vmx.read
        nested = self.ept is not None
        return Exit(
            Reason(number),
            read(Field.EXIT_QUALIFICATION),
            read(Field.GUEST_RIP),
            read(Field.EXIT_INSTRUCTION_LENGTH),
            read(Field.EXIT_INTERRUPTION_INFO),
            read(Field.EXIT_INTERRUPTION_ERROR_CODE),
            read(Field.IDT_VECTORING_INFO),
            read(Field.IDT_VECTORING_ERROR_CODE),
            read(Field.GUEST_LINEAR_ADDRESS),
            read(Field.GUEST_PHYSICAL_ADDRESS) if nested else 0,
            read(Field.GUEST_INTERRUPTIBILITY_STATE),
            self.machine.now,
        )

    def run(self, budget: int = 100_000) -> VmxGuest:
        """Launch, and run to the end."""
        self.vmx.launch(self.handle)
        self.end = self.vmx.run(budget)
        return self

    @property
    def reasons(self) -> list[Reason]:
        """Why it exited, in order."""
        return [seen.reason for seen in self.exits]

    def at(self, label: str) -> int:
        """Address of a label of the guest's text."""
        return self.guest.symbols[label]

    def gpr(self, name: str) -> int:
        """A general register."""
        return int(self.machine.registers.gpr[GPR_NAMES.index(name)])

    def gpr_number(self, number: int) -> int:
        """A general register by its encoding."""
        return int(self.machine.registers.gpr[number])

    def set_gpr(self, name: str, value: int) -> None:
        """Change a general register of the guest."""
        self.machine.registers.gpr[GPR_NAMES.index(name)] = value

    def word(self, linear: int) -> int:
        """A 64-bit word of the kernel's part of guest memory."""
        return self.machine.memory.read64(linear - VA)

    def only_exit(self) -> Exit:
        """The one exit that the guest took on its way to a good end."""
        assert self.end is End.EXITED
        (seen,) = self.exits
        return seen


def launchable(
    guest: SmallGuest,
    level: FeatureLevel = FeatureLevel.EPT_VPID,
    primary: Primary = Primary(0),  # noqa: B008
    secondary: Secondary = Secondary(0),  # noqa: B008
    pin: PinBased = PinBased(0),  # noqa: B008
    fields: Mapping[Field, int] = {},
    on_exit: Callable[[VmxGuest, Exit], bool | None] | None = None,
) -> VmxGuest:
    """A guest ready for VMLAUNCH under exactly the controls asked for (and those that the level requires)."""
    machine = Machine(RAM + 0x200000)
    vmx = Vmx(machine, level, VMCS)
    state = boot.load(machine.memory, RAM, guest.image, [])
    machine.load_state(state)
    set_host_state(vmx)
    set_guest_state(vmx, state)
    vmx.write(Field.GUEST_CR0, state.cr0 | CR0_NE)
    vmx.write(Field.GUEST_CR3, state.cr3)
    vmx.write(Field.GUEST_CR4, state.cr4 | CR4_VMXE)
    under = VmxGuest(guest, level, machine, vmx, on_exit)
    if secondary & Secondary.ENABLE_EPT:
        under.ept = EptTables(machine.engine.ram64, _EPT, _EPT_BYTES)
        under.ept.map(0, 0, RAM)
        under.ept.map(APIC_PAGE, APIC_PAGE, 0x1000)
        vmx.write(Field.EPT_POINTER, under.ept.eptp())
    set_controls(vmx, primary, secondary)
    vmx.write(Field.PIN_BASED_CONTROLS, pin | vmx.capabilities.pin_based.must)
    for where, value in (
        (Field.MSR_BITMAPS, MSR_BITMAPS),
        (Field.IO_BITMAP_A, IO_BITMAP_A),
        (Field.IO_BITMAP_B, IO_BITMAP_B),
        (Field.VIRTUAL_APIC_ADDRESS, VIRTUAL_APIC),
    ):
        vmx.write(where, value)
    for where, value in fields.items():
        vmx.write(where, value)
    return under
