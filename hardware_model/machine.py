"""The modelled machine: processor, memory, MMU, platform and VT-d, wired together.

It knows no VMM. A VMM takes part through `vmx` (VM exits) or `deprivileged` (its own trap vectors).
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from functools import partial

from hardware_model import counters as counter_table
from hardware_model.boot import CpuState
from hardware_model.cpu.processor import Processor
from hardware_model.cpu.virtual_apic import VirtualApic, virtual_apic_events
from hardware_model.devices.dma_counting import CountedPath
from hardware_model.executor import self_test
from hardware_model.executor import words as W
from hardware_model.executor.engine import NO_DEADLINE, Engine
from hardware_model.executor.words import Event, Mode, Stop
from hardware_model.memory import MachineMemory
from hardware_model.mmu import state as mmu_state
from hardware_model.mmu.geometry import NEHALEM, TlbGeometry
from hardware_model.partition import Partition
from hardware_model.peripherals import attach_peripherals
from hardware_model.platform import Ends, Platform, new_platform
from hardware_model.profile import Profile
from hardware_model.vtd import unit as vtd

_TIMER_EXPIRED = counter_table.index("timer.expired")
NO_INTERRUPT = 0x100
APIC_ID, BROADCAST = 0, 0xFF


class End(Enum):
    """How a run ended."""

    REQUESTED = "the VMM ended the run"
    EXITED = "the guest wrote the debug-exit port"
    RESET = "the guest reset the machine"
    POWERED_OFF = "the guest switched the machine off"
    TRIPLE_FAULT = "the guest triple-faulted"
    HALTED = "the guest halted with nothing left to wake it"
    BUDGET = "the guest used up its instruction budget"
    PAUSED = "the guest's slice of time is over"


_ENDS = {Stop.TRIPLE_FAULT: End.TRIPLE_FAULT, Stop.BUDGET: End.BUDGET}


class MachineError(Exception):
    """The model cannot go on with what the guest did; the sentence says what and where."""


class Machine:
    """One machine with `ram_bytes` of memory and the TLBs of `geometry`.

    Attributes: `memory`, `registers`, `counters`, `platform` (the physical devices), `peripherals` (those on PCI),
    `remapping` (the VT-d unit on their way to memory), `dma` (that way), `processor`, `profile`.
    """

    def __init__(self, ram_bytes: int, geometry: TlbGeometry = NEHALEM) -> None:
        self_test.check()
        self.counters = counter_table.new()
        self.mmu = mmu_state.new(geometry)
        self.mmu[mmu_state.Word.RAM_BYTES] = ram_bytes
        self.engine = Engine(ram_bytes, self.mmu, self.counters)
        self.words = self.engine.words
        self._words = self.engine.word_view
        self.registers = self.engine.registers
        self.memory = MachineMemory(self.engine)
        self.platform = self.new_platform()
        self.partition = Partition(0, ram_bytes)
        self.remapping = vtd.RemappingUnit(self.memory, self.counters, self._message_arrived)
        self.place_remapping_unit(self.platform)
        self.dma = CountedPath(self.remapping, self.counters)
        self.processor = Processor(self.engine, self.platform.bus)
        self.virtual_apic: VirtualApic | None = None  # of the guest in VMX non-root operation
        self.profile = Profile(self.engine)
        self.on_marker: Callable[[int], None] = lambda immediate: None
        self._budget = self._pause = self._limit = NO_DEADLINE
        self._end: End | None = None
        self.on_exit: Callable[[], int] | None = None  # VM exits and traps of the VMM in charge
        self._handlers: dict[int, Callable[[], int]] = {
            Event.TICK: self._tick,
            Event.ACKNOWLEDGE: self.acknowledge,
            Event.INSTRUCTION: self.processor.execute,
            Event.HALT: self._halt,
            Event.PORT: self.processor.port_access,
            Event.MMIO: self._device_access,
            Event.VM_EXIT: self._to_vmm,
            Event.TRAP: self._to_vmm,
            Event.MARKER: self._marker,
            Event.FETCH_AHEAD: self.processor.fetch_ahead,
            **virtual_apic_events(lambda: self.virtual_apic),
        }
        self.peripherals = attach_peripherals(self.platform, self.dma, self.counters)

    def new_platform(self) -> Platform:
        """Physical devices that time and interrupt this machine's processor."""
        return new_platform(
            lambda: self.now,
            self._interrupt_changed,
            self.set_deadline,
            self._timer_expired,
            Ends(*(partial(self.end, end) for end in (End.EXITED, End.RESET, End.POWERED_OFF))),
        )

    def place_remapping_unit(self, platform: Platform) -> None:
        """Give `platform` the unit's registers."""
        platform.bus.attach_registers(vtd.BASE, vtd.SIZE, self.remapping)
        platform.further.append(self.remapping)

    @property
    def now(self) -> int:
        """Virtual time: instructions retired by guests, plus idle time."""
        return self._words[W.CLOCK]

    @property
    def instructions(self) -> int:
        """Guest instructions retired."""
        return self._words[W.CLOCK] - self._words[W.IDLE]

    @property
    def guest_status(self) -> int | None:
        """What the guest wrote to the physical debug-exit port."""
        return self.platform.exit_port.status

    def load_state(self, state: CpuState) -> None:
        """Give the processor the registers of `state`."""
        state.load(self.registers, self.engine.set_cr)

    @property
    def running(self) -> bool:
        """False once the run has been ended."""
        return self._end is None

    def run(self, mode: Mode, budget: int | None = None, pause: int | None = None) -> End:
        """Execute until the run ends, as paused at virtual time `pause` (never while halted); `budget` limits time."""
        self._budget = NO_DEADLINE if budget is None else self.now + budget
        self._pause = NO_DEADLINE if pause is None else pause
        self._limit = min(self._budget, self._pause)
        self._end = None
        self.words[W.MODE] = mode
        if mode is not Mode.VMX_NON_ROOT:  # there the VMCS says
            self.words[W.OWN_INTERRUPTS] = mode is Mode.BARE
            self.words[W.NMI_RULE] = W.NmiRule.DELIVERED
        self.platform.forget_events()
        self.set_deadline()
        if any(self.words[line] for line in (W.IRQ_LINE, W.NMI_PENDING, W.NMI_WINDOW)):
            self.words[W.DEADLINE] = self.words[W.CLOCK]  # an interrupt waits since the last run
        return self._reason(self.engine.run(lambda kind: self._handlers[kind]()))

    def end(self, reason: End = End.REQUESTED) -> None:
        """End the run once the current event is handled."""
        self._end = self._end or reason
        self.engine.stop(Stop.REQUESTED)

    def invalidate_page(self, linear: int) -> None:
        """INVLPG by a VMM for its guest: translations of `linear` under the current tag go, global ones too."""
        self.engine.invalidate_page(linear)

    def probe(self, linear: int) -> int | None:
        """Machine address of `linear` by the tables in force, whatever the access rights, without side effects."""
        return self.engine.probe(linear)

    def load_supervisor_key_rights(self, value: int) -> None:
        """WRMSR to IA32_PKRS by a VMM: what keys of supervisor pages deny while CR4.PKS is set."""
        self.mmu[mmu_state.Word.PKRS] = value

    def load_supervisor_bounds(self, *bounds: tuple[int, int]) -> None:
        """WRMSR to IA32_BNDCFGS (EN, BNDPRESERVE) and BNDMK by a VMM: BND0 and following, a lower and an upper bound
        each, hold for BNDCL and BNDCU of code below CPL 3. Without bounds these do nothing.
        """
        self.registers.load_bounds(3 if bounds else 0, bounds)

    def flush_tlb(self) -> None:
        """Every translation of the current tag goes, global ones included."""
        self.engine.flush_current_tag()

    def retire_emulated(self) -> None:
        """A VMM completed the instruction at hand for its guest: one unit of time, and the STI shadow is gone."""
        words = self._words
        words[W.CLOCK] += 1
        words[W.COMPLETED] += 1
        self.registers.sti_shadow = False

    def _reason(self, stop: Stop) -> End:
        if self._end is not None:
            return self._end
        if stop in _ENDS:
            return _ENDS[stop]
        if stop is Stop.PROFILE_FULL:
            raise MachineError("the guest has more distinct code than the block profile holds")
        raise MachineError(f"the engine stopped ({stop.name}) at RIP {self.registers.rip:#x}")

    def _to_vmm(self) -> int:
        assert self.on_exit is not None
        return self.on_exit()

    def set_deadline(self) -> None:
        """Tell the native layer when the next platform event is due."""
        event = self.platform.next_event()
        limit = self._limit
        self._words[W.DEADLINE] = limit if event is None or event > limit else event

    def _tick(self) -> int:
        self._events_due()
        if self._end is None and self.now >= self._pause:
            self._stop(End.PAUSED)
        return 0

    def _events_due(self) -> None:
        self._pull_task_priority()
        self.platform.advance()
        if self.now >= self._budget:
            self._stop(End.BUDGET)
        else:
            self.set_deadline()

    def _stop(self, reason: End) -> None:
        self.end(reason)
        self.words[W.DEADLINE] = NO_DEADLINE

    def _interrupt_changed(self) -> None:
        apic, words = self.platform.apic, self._words
        waiting, priority = apic.pending_class, apic.task_priority >> 4
        words[W.CR8] = priority
        words[W.PENDING_CLASS] = waiting
        words[W.IRQ_LINE] = waiting > priority
        if words[W.DEADLINE] <= words[W.CLOCK]:  # moved there to have the interrupt noticed
            self.set_deadline()

    def _device_access(self) -> int:
        self._pull_task_priority()
        return self.processor.device_access()

    def _pull_task_priority(self) -> None:
        """MOV to CR8 is the processor's alone; tell the APIC before it looks at its TPR."""
        apic, class_ = self.platform.apic, self._words[W.CR8]
        if apic.task_priority >> 4 != class_:
            apic.task_priority = class_ << 4

    def acknowledge(self) -> int:
        """Take the interrupt controller's best request: its vector, or NO_INTERRUPT."""
        self._pull_task_priority()
        vector = self.platform.apic.acknowledge()
        return NO_INTERRUPT if vector is None else vector

    def _timer_expired(self) -> None:
        self.counters[_TIMER_EXPIRED] += 1

    def _message_arrived(self, destination: int, vector: int) -> None:
        """A message-signalled interrupt came; there is one local APIC, with ID 0."""
        if destination in (APIC_ID, BROADCAST):
            self.platform.apic.request(vector)

    def _halt(self) -> int:
        if not self.sleep():
            self.halted()
        return 0

    def halted(self) -> None:
        """End the run: the guest sleeps, and nothing will wake it."""
        self.end(End.HALTED)

    def idle(self) -> bool:
        """Skip to the next platform event that interrupts; False when nothing is due (or the budget ends the run)."""
        while self.running and not self._words[W.IRQ_LINE]:
            if not self._skip():
                return False
        return True

    def sleep(self) -> bool:
        """The processor is halted: skip to the NMI, or with IF = 1 the interrupt, that wakes it. Returns as `idle`."""
        interruptible = self.registers.interrupts_enabled
        while self.running and not (
            self.engine.nmi_waits or (interruptible and self._words[W.IRQ_LINE])
        ):
            waits = interruptible or self.platform.next_nmi() is not None
            if not (waits and self._skip()):
                return False
        return True

    def _skip(self) -> bool:
        """Go to the next platform event; False if there is none."""
        if (event := self.platform.next_event()) is None:
            return False
        deadline, now = min(event, self._budget), self.now
        if deadline > now:
            self._words[W.IDLE] += deadline - now
            self._words[W.CLOCK] = deadline
        self._events_due()
        return True

    def _marker(self) -> int:
        self.on_marker(int(self.words[W.MARKER]))
        return 0
