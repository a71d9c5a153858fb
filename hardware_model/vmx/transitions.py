"""VMX operation: VMLAUNCH, VM exits to a handler, VMREAD and VMWRITE, TLB invalidation instructions.

VMCS data in memory and the native layer's decisions share one page (`layout.WORD_INDEX`).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from hardware_model import counters as counter_table
from hardware_model.cpu.virtual_apic import VirtualApic
from hardware_model.executor import words as W
from hardware_model.executor.words import Intercept, Mode
from hardware_model.machine import End, Machine
from hardware_model.mmu import invalidation
from hardware_model.mmu.state import Word
from hardware_model.vmx.bitmaps import cr_written
from hardware_model.vmx.capabilities import capabilities_of
from hardware_model.vmx.controls import PinBased, Primary, Secondary
from hardware_model.vmx.entry_checks import EntryChecker, EntryFailure
from hardware_model.vmx.exit_reasons import EXIT_REASONS
from hardware_model.vmx.feature_levels import FeatureLevel
from hardware_model.vmx.fields import Field
from hardware_model.vmx.guest_state import GETTERS, SETTERS, Getter
from hardware_model.vmx.layout import PAGE_BYTES, WORD_INDEX
from hardware_model.vmx.vmcs import LaunchState, Vmcs

ExitHandler = Callable[[int], None]
_VMREAD, _VMWRITE = counter_table.index("vmread"), counter_table.index("vmwrite")
_ENTRY_FAILED, _ENTRIES = counter_table.index("entry.failed"), counter_table.index("entries")
_REASON_WORD = WORD_INDEX[Field.EXIT_REASON]
_CONTROLS = frozenset(
    {
        Field.PIN_BASED_CONTROLS,
        Field.PRIMARY_CONTROLS,
        Field.SECONDARY_CONTROLS,
        Field.EPT_POINTER,
        Field.APIC_ACCESS_ADDRESS,
        Field.VPID,
        Field.TSC_OFFSET,
        Field.CR0_GUEST_HOST_MASK,
        Field.CR4_GUEST_HOST_MASK,
    }
)
# Guest state that VMMs change at most exits and that no rule can refuse in the way they change it.
_UNCHECKED = frozenset(
    {Field.GUEST_RIP, Field.GUEST_RSP, Field.GUEST_CR3, Field.GUEST_INTERRUPT_STATUS}
)
# Guest state on which the rules about an injected event depend.
_FOR_INJECTION = (Field.GUEST_RFLAGS, Field.GUEST_INTERRUPTIBILITY_STATE, Field.GUEST_CR0)
_LIVE = {
    which: [(WORD_INDEX[Field(field)], Field(field).mask, GETTERS[field]) for field in fields]
    for which, fields in ((True, tuple(GETTERS)), (False, _FOR_INJECTION))
}
"""Word, mask and getter of the guest state in the processor: all of it (True), or what injections depend on."""
_EXIT_LENGTH_WORD = WORD_INDEX[Field.EXIT_INSTRUCTION_LENGTH]
_WINDOWS = int(Primary.INTERRUPT_WINDOW_EXITING | Primary.NMI_WINDOW_EXITING)


class VmEntryRefused(Exception):
    """VM entry failed its checks: a defect of the VMM. The sentence names the field and the rule."""

    def __init__(self, failure: EntryFailure) -> None:
        super().__init__(f"VM entry refused: {failure.sentence}")
        self.failure = failure


class Vmx:
    """VMX root operation on `machine` at feature level `level`, with one current VMCS at `vmcs_address`."""

    def __init__(self, machine: Machine, level: FeatureLevel, vmcs_address: int) -> None:
        self.machine = machine
        self.capabilities = capabilities_of(level)
        page = machine.engine.ram[vmcs_address : vmcs_address + PAGE_BYTES]
        self.vmcs = Vmcs(self.capabilities, page)
        self._load = self.vmcs.read
        self._checker = EntryChecker(self.vmcs)
        self._engine = machine.engine
        self._words = machine.words
        self._counts = machine.counters.data
        self._registers = machine.registers
        self._live = False
        self._getters: dict[int, Getter] = {}  # of the fields that lie in the processor now
        self._changed = True
        self._check = True
        self._check_guest_state = True
        reasons = np.zeros(128, np.uint64)
        for reason in EXIT_REASONS:
            reasons[reason.number] = counter_table.index(f"exit.{reason.name}")
        self._reason_counters = reasons
        self._words[W.REASON_COUNTERS] = reasons.ctypes.data
        self._words[W.VMCS] = page.ctypes.data

    def read(self, field: int) -> int:
        """VMREAD."""
        self._counts[_VMREAD] += 1
        getter = self._getters.get(field)
        return self._load(field) if getter is None else getter(self._registers)

    def write(self, field: int, value: int) -> None:
        """VMWRITE; takes effect at the next VM entry."""
        self._counts[_VMWRITE] += 1
        if field in _CONTROLS:
            self._changed |= self._more_than_window(field, value)
        self.vmcs.write(field, value)
        setter = SETTERS.get(field)
        if field not in _UNCHECKED:
            self._check = True
            if setter is not None:
                self._check_guest_state = True
        if setter is not None and self._live:
            setter(self._engine, value)

    def _more_than_window(self, field: int, value: int) -> bool:
        return field != Field.PRIMARY_CONTROLS or bool((self.vmcs.read(field) ^ value) & ~_WINDOWS)

    def launch(self, handler: ExitHandler) -> None:
        """VMLAUNCH: load the guest state; `run` then executes the guest.

        `handler(basic reason)` is called at every VM exit; when it returns, the guest is resumed.
        Raises VmEntryRefused if the entry checks fail, at launch or at any later entry.
        """
        self._enter_checks()
        for field, setter in SETTERS.items():
            if Field(field).since <= self.capabilities.level:
                setter(self._engine, self.vmcs.load(Field(field)))
        self._engine.flush_tlb()
        windows = Primary(self.vmcs.load(Field.PRIMARY_CONTROLS))
        self._words[W.NMI_WINDOW] = bool(windows & Primary.NMI_WINDOW_EXITING)
        self.vmcs.launch_state = LaunchState.LAUNCHED
        self._live, self._getters = True, GETTERS
        self._counts[_ENTRIES] += 1
        self.machine.virtual_apic = VirtualApic(self.machine, self.vmcs)
        if self._delivers_virtual_interrupts:
            self.machine.virtual_apic.prioritize()
        self.machine.processor.merge_control = self._merge_control
        self.machine.processor.shown_control = self._shown_control

        view = self.vmcs.view

        def on_exit() -> int:
            handler(view[_REASON_WORD])
            if self._check or self._changed:
                self._enter_checks()
            return 0

        self.machine.on_exit = on_exit

    @property
    def _delivers_virtual_interrupts(self) -> bool:
        return bool(self.vmcs.load(Field.SECONDARY_CONTROLS) & Secondary.VIRTUAL_INTERRUPT_DELIVERY)

    def run(self, budget: int | None = None, pause: int | None = None) -> End:
        """Run the launched guest until the handler or the machine ends the run, see `Machine.run`."""
        return self.machine.run(Mode.VMX_NON_ROOT, budget, pause)

    def skip_instruction(self) -> None:
        """Advance the guest over the instruction that exited, which the VMM has completed for it."""
        counts = self._counts
        counts[_VMREAD] += 2
        counts[_VMWRITE] += 1
        self._registers.rip += self.vmcs.view[_EXIT_LENGTH_WORD]
        self.machine.retire_emulated()

    def _save_live(self) -> None:
        view, registers = self.vmcs.view, self._registers
        for word, mask, getter in _LIVE[self._check_guest_state]:
            view[word] = getter(registers) & mask

    def _enter_checks(self) -> None:
        if self._live:
            self._save_live()
        failure = self._checker.check()
        if failure is not None:
            self._counts[_ENTRY_FAILED] += 1
            raise VmEntryRefused(failure)
        self._check = self._check_guest_state = False
        if self._changed:
            self._apply_controls()

    def _apply_controls(self) -> None:
        load = self.vmcs.load
        primary, secondary = Primary(load(Field.PRIMARY_CONTROLS)), Secondary(0)
        if primary & Primary.ACTIVATE_SECONDARY_CONTROLS:
            secondary = Secondary(load(Field.SECONDARY_CONTROLS))
        mmu = self.machine.mmu
        eptp = load(Field.EPT_POINTER) if secondary & Secondary.ENABLE_EPT else 0
        vpid = load(Field.VPID) if secondary & Secondary.ENABLE_VPID else 0
        if (mmu[Word.EPTP], mmu[Word.VPID]) != (eptp, vpid):
            mmu[Word.EPTP], mmu[Word.VPID] = eptp, vpid
            self._engine.flush_tlb()
        self._words[W.TSC_OFFSET] = (
            load(Field.TSC_OFFSET) if primary & Primary.USE_TSC_OFFSETTING else 0
        )
        pins = load(Field.PIN_BASED_CONTROLS)
        self._words[W.OWN_INTERRUPTS] = not pins & PinBased.EXTERNAL_INTERRUPT_EXITING
        self._rule_nmis(PinBased(pins))
        accesses = secondary & Secondary.VIRTUALIZE_APIC_ACCESSES
        page = load(Field.APIC_ACCESS_ADDRESS) | 1 if accesses else 0
        if self._words[W.APIC_ACCESS_PAGE] != page:
            self._words[W.APIC_ACCESS_PAGE] = page
            self._engine.flush_tlb()
        self._set_intercepts(primary, secondary)
        self._changed = False

    def _rule_nmis(self, pins: PinBased) -> None:
        rule = W.NmiRule.EXITS if pins & PinBased.NMI_EXITING else W.NmiRule.DELIVERED
        if pins & PinBased.VIRTUAL_NMIS:
            rule = W.NmiRule.VIRTUAL
        self._words[W.NMI_RULE] = rule
        until_iret = rule is not W.NmiRule.EXITS
        self._registers.block_nmis(self._registers.nmi_blocked, until_iret=until_iret)

    def _set_intercepts(self, primary: Primary, secondary: Secondary) -> None:
        instructions: list[Intercept] = []
        if secondary & Secondary.DESCRIPTOR_TABLE_EXITING:
            instructions += [
                code for code in Intercept if Intercept.IDTR_READ <= code <= Intercept.TR_WRITE
            ]
        if primary & Primary.PAUSE_EXITING:
            instructions.append(Intercept.PAUSE)
        reads = 1 << 3 if primary & Primary.CR3_STORE_EXITING else 0
        for number, mask in ((0, Field.CR0_GUEST_HOST_MASK), (4, Field.CR4_GUEST_HOST_MASK)):
            if self.vmcs.load(mask):
                reads |= 1 << number
        self._engine.guest_mode.set_intercepts(
            tuple(instructions), reads, dr=bool(primary & Primary.MOV_DR_EXITING)
        )

    def _merge_control(self, number: int, value: int) -> int:
        if number not in (0, 4):
            return value
        mask = Field.CR0_GUEST_HOST_MASK if number == 0 else Field.CR4_GUEST_HOST_MASK
        return int(cr_written(self._registers.cr(number), value, self.vmcs.load(mask)))

    def _shown_control(self, number: int, value: int) -> int:
        mask, shadow = (
            (Field.CR0_GUEST_HOST_MASK, Field.CR0_READ_SHADOW)
            if number == 0
            else (Field.CR4_GUEST_HOST_MASK, Field.CR4_READ_SHADOW)
        )
        owned = self.vmcs.load(mask)
        return value & ~owned | self.vmcs.load(shadow) & owned

    def invvpid(self, kind: int, vpid: int, address: int = 0) -> None:
        """INVVPID types 0 (address), 1 (single context), 2 (all), 3 (single context, keep globals)."""
        self.machine.processor.load_mmu_registers()
        invalidation.invvpid(
            self.machine.mmu, self.machine.counters, kind, np.uint64(vpid), np.uint64(address)
        )
        self._engine.flush_tlb()

    def invept(self, kind: int, eptp: int) -> None:
        """INVEPT types 1 (single context) and 2 (all)."""
        invalidation.invept(self.machine.mmu, self.machine.counters, kind, np.uint64(eptp))
        self._engine.flush_tlb()
