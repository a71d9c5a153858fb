"""Memory virtualization of a deprivileged guest: shadow tables, its paging registers, its page faults."""

from __future__ import annotations

from hardware_model.cpu.control_registers import flushes_tlb
from hardware_model.executor.registers import Registers
from hardware_model.machine import Machine
from hardware_model.msrs import Efer, Msr
from techniques.deprivileged.virtual_cpu import VirtualCpu
from techniques.deprivileged.vmm_window import ROOT_INDEX, VmmWindow
from techniques.frames import FrameAllocator
from techniques.guest import GuestMemory
from techniques.knobs import Knob
from techniques.shadow import FaultResult, ProcessorLimits, ShadowPager
from techniques.shadow.counts import OWN_ENTRY_READ
from techniques.shadow.guest_walk import GuestWalker
from techniques.shadow.paging_mode import paging_mode
from techniques.technique import GuestError

CR0_NE, CR0_WP = 1 << 5, 1 << 16
CR4_TSD, CR4_PCE = 1 << 2, 1 << 8
_LIMITS = ProcessorLimits()
PRESENT = 1
_SLOTS = (*range(ROOT_INDEX, 255, -1), *range(510, ROOT_INDEX, -1), *range(255, 0, -1))
POLICY = Knob(
    "shadow.policy",
    "trace",
    ("trace", "virtual-tlb", "unsync"),
    "how shadow tables follow the guest's",
    "trace: a trap for each page-table write; virtual-tlb: refills after each CR3 write; "
    "unsync: resynchronization at flushes",
)


class ProcessorTlb:
    """The processor's TLB, as the pager invalidates it."""

    def __init__(self, machine: Machine) -> None:
        self.invalidate_page = machine.invalidate_page
        self.flush = machine.flush_tlb


class ShadowMemory:
    """Keeps the processor on shadow tables of the guest's tables.

    `pager` derives them; `walker` walks the guest's own for the VMM's accesses.
    """

    def __init__(
        self,
        machine: Machine,
        guest: GuestMemory,
        frames: FrameAllocator,
        cpu: VirtualCpu,
        policy: str,
        prefetch: int,
    ) -> None:
        self._machine = machine
        self._registers: Registers = machine.registers
        self._guest = guest
        self._cpu = cpu
        self.forced_cr4 = CR4_TSD
        self.window = VmmWindow(machine.memory, frames)
        self._root = 0  # frame of the guest's root table
        self.window_slots = 1  # counted downwards, in which the guest may have nothing
        self.walker = GuestWalker(guest, machine.counters, OWN_ENTRY_READ)
        self.pager = ShadowPager(
            guest=guest,
            machine=machine.memory,
            frames=frames,
            tlb=ProcessorTlb(machine),
            counters=machine.counters,
            policy=policy,
            prefetch=prefetch,
            deprivileged=True,
            reserved={ROOT_INDEX: self.window.root_entry},
            limits=_LIMITS,
        )

    @property
    def slot_is_wanted(self) -> bool:
        """Whether the guest maps something where the VMM's window lies."""
        return self._uses(self._root, self.window.slot)

    def _uses(self, root: int, slot: int) -> bool:
        """Whether the guest's root maps something in the slot, or in those below that the window wants."""
        if root << 12 >= self._guest.size:
            return False
        for wanted in range(slot, slot - self.window_slots, -1):
            if self._guest.read64(root << 12 | wanted << 3) & PRESENT:
                return True
        return False

    def move_window(self) -> None:
        """Put the window into a slot that no root the guest has used maps; GuestError if there is none."""
        roots = {self._root, *self.pager.root_frames()}
        free = (slot for slot in _SLOTS if not any(self._uses(root, slot) for root in roots))
        slot = next(free, None)
        if slot is None:
            raise GuestError(
                "the guest uses all linear addresses, so that none are left to its VMM"
            )
        self.pager.move_reserved(self.window.slot, slot)
        self.window.slot = slot

    def start(self) -> None:
        """Take over the registers that the guest starts with."""
        cpu = self._cpu
        self.pager.set_registers(cr0=cpu.cr(0), cr3=cpu.cr(3), cr4=cpu.cr(4), efer=cpu.efer)
        self._load_efer()
        self._machine.processor.load_cr(0, self._real_cr0())
        self._machine.processor.load_cr(4, self._real_cr4())
        self._load_root()

    def _real_cr0(self) -> int:
        """The guest's, with write protection for the shadow tables' sake, and native FPU errors."""
        return self._cpu.cr(0) | CR0_WP | CR0_NE

    def _real_cr4(self) -> int:
        """The guest's, with RDPMC trapping, and RDTSC by CR4.TSD in `forced_cr4`."""
        return self._cpu.cr(4) & ~CR4_PCE | self.forced_cr4

    def _load_root(self) -> None:
        self._machine.processor.load_cr(3, self.pager.root)
        self._root = self.pager.paging.root_gfn
        self.walker.configure(self.pager.paging, paging_mode(self.pager.paging, _LIMITS))

    def _load_efer(self) -> None:
        """SYSCALL must always enter the VMM; the pager wants NXE."""
        value = self._cpu.efer | Efer.SCE | Efer.NXE
        self._machine.processor.write_msr(Msr.EFER, value)

    def write_cr(self, number: int, value: int) -> None:
        """The guest loads CR0, CR3 or CR4 with a legal value."""
        old, self._cpu.control[number] = self._cpu.control[number], value
        self.pager.on_cr_write(number, value)
        if number == 0:
            self._machine.processor.load_cr(0, self._real_cr0())
        elif number == 4:
            self._machine.processor.load_cr(4, self._real_cr4())
        if number == 3 or flushes_tlb(number, old, value):
            self._load_root()

    def efer_written(self) -> None:
        """The guest wrote IA32_EFER."""
        self.pager.on_efer_write(self._cpu.efer)
        self._load_efer()
        self._load_root()

    def on_page_fault(self, address: int, error: int) -> FaultResult:
        """What a page fault of the running guest means; see `ShadowPager.on_page_fault`."""
        return self.pager.on_page_fault(address, error, self._registers.alignment_check)
