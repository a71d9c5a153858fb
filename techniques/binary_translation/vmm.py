"""Binary translation: the guest's kernel runs only as translated code, its user code directly.

The design of Adams and Agesen (ASPLOS 2006, section 3) and Bugnion et al. (TOCS 2012). Between traps
the processor's RIP is in the translation cache; the VMM first turns it into the guest's RIP, restores
the registers that the translation had saved, and then works as any deprivileging VMM does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from hardware_model.deprivileged import Trap
from hardware_model.disassembly import Passage
from hardware_model.executor import words as W
from hardware_model.executor.words import Intercept, Mode
from hardware_model.machine import End, Machine
from techniques.binary_translation import counts as counted
from techniques.binary_translation import layout, listing
from techniques.binary_translation.adaptation import Adaptation
from techniques.binary_translation.callouts import Callouts
from techniques.binary_translation.chipset import Chipset
from techniques.binary_translation.code_frames import CodeFrames
from techniques.binary_translation.fence import Fence
from techniques.binary_translation.fence_hits import FenceHits, Used
from techniques.binary_translation.knobs import ADAPTIVE, CACHE_SIZE, FENCE
from techniques.binary_translation.open_ports import OpenPorts
from techniques.binary_translation.state_page import StatePage, restore
from techniques.binary_translation.translation_cache import TranslationCache
from techniques.binary_translation.translator import Source, Translator
from techniques.binary_translation.unit import Mark, Unit
from techniques.binary_translation.user_returns import UserReturns
from techniques.deprivileged import DeprivilegingVmm
from techniques.deprivileged.exceptions import DEBUG, INVALID_OPCODE, GuestException
from techniques.deprivileged.shadow_memory import POLICY
from techniques.deprivileged.virtual_cpu import KERNEL_RING, TF
from techniques.deprivileged.vmm import MIB
from techniques.guest import BootImage
from techniques.io_models.knobs import PARAVIRTUAL_KNOBS
from techniques.knobs import Value
from techniques.shadow.prefetch import PREFETCH
from techniques.technique import GuestError

_UNDEFINED = Intercept.EXCEPTION + INVALID_OPCODE
_DEBUG = Intercept.EXCEPTION + DEBUG


class BinaryTranslation(DeprivilegingVmm):
    """A guest whose kernel is translated; `cache` holds the translations."""

    name = "bt"
    doc = "the guest kernel runs at CPL 1 from a translation cache, user code directly at CPL 3"
    knobs = (POLICY, PREFETCH, CACHE_SIZE, ADAPTIVE, FENCE, *PARAVIRTUAL_KNOBS)
    vmm_bytes = 64 * MIB
    own_bytes = 22 * MIB
    hide_outward = False

    def __init__(self, machine: Machine, image: BootImage, knobs: Mapping[str, Value]) -> None:
        super().__init__(machine, image, knobs)
        counts = self.bt_counts = counted.view(machine.counters)
        region = self.memory.base - self.own_bytes
        root = self.shadow.window.root_entry
        layout.map_region(machine.memory, root, region + layout.REGION_BYTES, region)
        self.shadow.forced_cr4 = (
            layout.CR4_PKS  # and no TSD: RDTSC is copied, virtual time is the counter's
        )
        self.cache = TranslationCache(machine, counts, region, int(knobs["bt.cache-kib"]) << 10)
        self.source = Source(self.memory, self.shadow.walker, self.refuse)
        fence = Fence(machine) if knobs["bt.fence"] == "bounds" else None
        self.shadow.window_slots = 1 if fence is None else 2
        self.fenced = FenceHits(self, self._processor, region + layout.REGION_BYTES, fence)
        self.translator = Translator(self.source, self.fenced.fence)
        self.frames = CodeFrames(self.shadow.pager, self.cache, self.source, counts)
        self.returns = UserReturns(self.cache, machine.registers, self.cpu, self.tables)
        self.page = StatePage(self.cache, machine.registers, self.cpu, self.virtual, self.returns)
        self.chipset = Chipset(self.cache, self.virtual.devices.bus)
        self.ports = OpenPorts(self)
        self.callouts = Callouts(self)
        self.adaptation = Adaptation(self, enabled=bool(knobs["bt.adaptive"]))
        self._in_cache = False
        self._resume: tuple[int, Used] | None = None
        self._unit: Unit | None = None
        self._step = False
        self._entered = -1

    def open_ports(self, first: int, count: int) -> None:
        """Translated code accesses these ports without the VMM."""
        self.ports.open(range(first, first + count))

    def start(self) -> None:
        """Boot the guest and enter its first translation."""
        super().start()
        self.machine.load_supervisor_key_rights(layout.KEY_RIGHTS)
        self.page.store_tables()
        self.fenced.moved()
        self._enter()
        self.machine.on_exit = self._on_exit

    def resume(self, budget: int | None = None, pause: int | None = None) -> End:
        """Run translated code, or user code directly."""
        return self.machine.run(Mode.DEPRIVILEGED, budget, pause)

    def finish(self) -> None:
        """Give the guest its own registers back."""
        if self._is_translated():
            self._leave(self.cache.find(self._registers.rip)[1])

    def _on_exit(self) -> int:
        if self._is_translated():
            self._left_cache()
        else:
            self.on_trap(self._processor.trap())
        if self.machine.running:
            self._enter()
        return 0

    def _is_translated(self) -> bool:
        """Whether the guest stands in translated code; an IRET there may have entered user code meanwhile."""
        if self._in_cache and self._registers.cpl != KERNEL_RING:
            self._in_cache = False
            self._resume = self._unit = None
            self.page.load()
        return self._in_cache

    def _left_cache(self) -> None:
        address = self._registers.rip
        unit, mark = self.cache.find(address)
        callout = None
        self.fenced.left()
        if self.machine.words.item(W.EVENT_CODE) == _UNDEFINED:
            callout = self.cache.callout(unit, address)
        gpr = self._registers.gpr
        used = [(number, gpr[number]) for number in mark.saved]
        self._leave(mark)
        self._unit = unit
        if unit is not None and address in unit.fences and self.fenced.took(unit, address, used):
            return
        if callout is not None:
            self.callouts.handle(callout, unit)
            return
        rip, now = self._registers.rip, self.machine.now
        if self._within_step():
            self._resume = address, used
            return
        faults, trap = self.adaptation.faults(), self._processor.trap()
        if self.ports.wanted(unit, address):
            self.note("port")
        else:
            self.on_trap(trap)
        unchanged = self._registers.rip == rip and self.machine.now == now and not self._step
        if unchanged and self.cpu.cpl == 0 and unit is not None and unit.valid:
            self._resume = address, used
        elif unit is not None and self.adaptation.faults() != faults and not mark.saved:
            self.adaptation.faulted(unit, address)

    def _within_step(self) -> bool:
        """Whether the guest single-steps and the processor stopped inside one of its instructions."""
        if self.machine.words[W.EVENT_CODE] != _DEBUG or not self._registers.rflags & TF:
            return False
        return self.machine.now == self._entered

    def _leave(self, mark: Mark) -> None:
        """From translated code to the guest's own state."""
        self._in_cache = False
        self._resume = None
        restore(self._registers, self.page, mark)
        self.page.load()

    def _enter(self) -> None:
        """From the guest's state to translated code, if the guest is in its kernel."""
        registers = self._registers
        if registers.cpl != KERNEL_RING:
            return
        if self._resume is not None:
            address, used = self._resume
            for number, value in used:
                registers.gpr[number] = value
        else:
            address = self._code_address()
        if not self.machine.running:
            return
        self.page.store()
        self.fenced.entering()
        self.chipset.refresh()
        registers.sti_shadow = False
        registers.rip = address
        self._in_cache = True
        self._entered = self.machine.now

    def _code_address(self) -> int:
        """Where the translation of the instruction at the guest's RIP stands."""
        unit, rip = self._unit, self._registers.rip
        if self._step or self.fenced.holds_stack:
            self._step = False
            found = self._translated(step=True)
        elif unit is not None and self._can_go_on(unit, rip):
            return unit.starts[rip]
        else:
            found = self.unit_or_fault()
        return self._code_address() if found is None and self.machine.running else _body(found)

    def _can_go_on(self, unit: Unit, rip: int) -> bool:
        """Whether the unit that was left can be entered again at `rip`."""
        if unit.valid and unit.space is self.cache.space and rip in unit.starts:
            return self.fenced.trusts(unit, rip)
        return False

    def unit_or_fault(self) -> Unit | None:
        """The unit at the guest's RIP; None if the guest takes a fault that fetching there causes."""
        found = self.cache.units.get(self._registers.rip)
        return found or self._translated()

    def _translated(self, *, step: bool = False) -> Unit | None:
        cache, rip = self.cache, self._registers.rip
        try:
            self.make_room()
            unit = self.translator.translate(rip, cache.next, single=step)
        except GuestException as fault:
            self._reflect(fault)
            return None
        cache.place(unit, findable=not step)
        if not step:
            self.frames.add(unit)
        return unit

    def make_room(self) -> None:
        """There is room for a unit."""
        if self.cache.is_full:
            self.cache.flush()
            self.frames.forget()

    def go_on_at(self, address: int, used: Used) -> None:
        """The guest goes on at `address` of the cache, with these general registers in place of its own."""
        self._resume, self._unit = (address, used), None

    def translate_again(self, unit: Unit) -> None:
        """The unit at RIP is to be made anew."""
        if unit.space is None:
            self._step = True
        elif unit.valid:
            self.frames.drop(unit)

    def performed_for(self, work: Callable[[], None]) -> None:
        """Do what the guest's kernel called for; it takes the fault that this raises."""
        try:
            work()
        except GuestException as fault:
            self._reflect(fault)

    def write_cr(self, number: int, value: int) -> None:
        """The guest loads CR0, CR3 or CR4 with a legal value."""
        super().write_cr(number, value)
        if number == 3:
            self.frames.root_loaded()
        else:
            self.frames.check_all()

    @property
    def selected_msr(self) -> int:
        """The number in ECX."""
        return int(self._registers.gpr[1]) & 0xFFFFFFFF

    def take(self, trap: Trap) -> None:
        """Handle what the processor would have trapped; raises what the guest takes instead."""
        self._handle(trap)

    def after_callout(self) -> None:
        """A virtual interrupt may have to be delivered."""
        if self.machine.running:
            self._deliver_interrupt()

    def emulate_store(self, gpa: int, *, known: bool = False) -> None:
        """A store to a page table or to translated code; what the emulator does not know is let through."""
        try:
            self.emulator.store(known=known)
        except GuestError:
            if gpa >> 12 not in self.frames:
                raise
            self.frames.give_up(gpa >> 12)
            self._step = self.cpu.cpl == 0

    def listing(self) -> Iterable[Passage]:
        """The translation cache as it stands."""
        return listing.passages(self)

    def window_moved(self) -> None:
        """The cache is elsewhere, so that nothing of it can be used on."""
        self.cache.move(self.shadow.window.base + layout.IN_SLOT)
        self.fenced.moved()
        self.frames.forget()
        self._resume = self._unit = None

    def memory_written(self, gpa: int, size: int) -> None:
        """The VMM has stored to guest memory."""
        super().memory_written(gpa, size)
        self.frames.written(gpa, size)


def _body(unit: Unit | None) -> int:
    return 0 if unit is None else unit.body
