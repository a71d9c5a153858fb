"""One PV domain: its frames, page tables, virtual processor, shared page and event channels, wired together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from hardware_model import counters as counter_table
from hardware_model.devices.bus import Bus
from hardware_model.machine import Machine
from techniques.frames import FrameAllocator
from techniques.guest import GuestMemory
from techniques.paravirtual import abi
from techniques.paravirtual.abi import Errno, ForeignFrame, HypercallError
from techniques.paravirtual.clock import SystemClock
from techniques.paravirtual.continuation import Preemption
from techniques.paravirtual.event_channels import EventChannels
from techniques.paravirtual.event_poll import EventPoll
from techniques.paravirtual.grant_table import GrantTable
from techniques.paravirtual.guest_segments import GuestSegments
from techniques.paravirtual.linear_memory import LinearMemory
from techniques.paravirtual.page_tables import PageTables
from techniques.paravirtual.page_types import FrameType, PageTypes
from techniques.paravirtual.periodic_timer import PeriodicTimer
from techniques.paravirtual.ring1_cpu import Ring1Cpu
from techniques.paravirtual.runstate import Runstate
from techniques.paravirtual.shared_info import SharedInfo
from techniques.paravirtual.virtual_cpu import VirtualCpu
from techniques.paravirtual.xen_mappings import XenMappings
from techniques.refusals import RefusalReason, Refusals

_REJECTED = counter_table.index("pv.rejected")
_SENTENCES = 1000  # of refusals that are told apart: a guest may go on for ever


class Domain:
    """A domain whose memory is `guest`; the hypervisor's own frames come from `frames`; `number`: its domid.

    `direct_traps`: the kernel runs at CPL 1, and its programs' INT 80H goes there without the hypervisor.
    """

    number = 1

    def __init__(
        self,
        machine: Machine,
        guest: GuestMemory,
        frames: FrameAllocator,
        direct_traps: bool = False,
    ) -> None:
        self.guest = guest
        self.direct_traps = direct_traps
        self._counts = machine.counters.data
        self.first_mfn = guest.base >> 12
        self.pages = guest.size >> 12
        self.machine_frames = machine.memory.size >> 12
        self.mappings = XenMappings(
            machine.memory, frames, self.machine_frames, kernel_is_user=not direct_traps
        )
        self.tables = PageTables(
            machine.memory,
            self.machine_frames,
            machine.counters,
            self.mappings.root_entries,
            kernel_is_user=not direct_traps,
        )
        own = range(self.first_mfn, self.first_mfn + self.pages)
        self.types = PageTypes(own, self.tables, machine.counters, machine.flush_tlb)
        self.tables.attach(self.types)
        self.memory = LinearMemory(machine, kernel_is_user=not direct_traps)
        self.shared = SharedInfo(machine.memory, frames.allocate())
        self.types.share(self.shared.page >> 12)
        self.preemption = Preemption(machine.counters, lambda: self.shared.wants_upcall)
        self.grants = GrantTable(machine.memory, frames, self.types, machine.counters)
        cpu_type = Ring1Cpu if direct_traps else VirtualCpu
        segments = GuestSegments(self.mappings.descriptor)
        self.cpu = cpu_type(machine, self.memory, self.shared, segments)
        self.events = EventChannels(self.shared, self.memory, machine.counters, self.number)
        self.clock = SystemClock(machine)
        self.poll = EventPoll(self.shared, self.clock.changed)
        self.periodic = PeriodicTimer(
            lambda: self.clock.now,
            lambda: self.events.raise_virq(abi.VIRQ_TIMER),
            self.clock.changed,
        )
        self.clock.timed += [self.poll, self.periodic]
        self.runstate = Runstate(self.memory, lambda: machine.now)
        self.gdt_frames: list[int] = []
        self.ports = Bus()  # those that the domain may use
        self.blocked = False
        self._waits: Callable[[], bool] = lambda: False  # while blocked: not yet what it waits for
        self.shutdown_reason: int | None = None
        self.rejections: Counter[str] = Counter()
        self.refusals = Refusals(machine.counters)
        self.mappings.set_m2p_range(self.first_mfn, self.pages)

    def mfn(self, pfn: int) -> int:
        """The machine frame behind the guest's frame `pfn` at the start."""
        return self.first_mfn + pfn

    def is_table(self, mfn: int, kind: FrameType) -> bool:
        """Whether the frame is the domain's and a page table of this type."""
        return self.types.owns(mfn) and self.types[mfn].type is kind

    def block(self) -> None:
        """Stop until an event is pending."""
        self._waits = lambda: not self.shared.pending
        self.blocked = self._waits()

    def block_on(self, ports: tuple[int, ...], deadline: int | None) -> None:
        """Stop until one of these event channels is pending, or until a system time."""
        self._waits = self.poll.waits
        self.blocked = self.poll.begin(ports, deadline)

    def wake(self) -> None:
        """Go on if what was waited for has happened."""
        self.blocked = self._waits()

    def set_m2p(self, mfn: int, pfn: int) -> None:
        """Change the machine-to-physical table; only for frames of the domain."""
        self.types.get_page(mfn)
        self.mappings.set_m2p(mfn, pfn)
        self.types.put_page(mfn)

    def rejected(self, error: HypercallError) -> None:
        """Count a refusal, and by what it says; sentences that are new after many others by their error only."""
        self._counts[_REJECTED] += 1
        sentence = str(error)
        if sentence not in self.rejections and len(self.rejections) >= _SENTENCES:
            sentence = error.errno.name
        self.rejections[sentence] += 1
        if isinstance(error, ForeignFrame):
            self.refusals.record(RefusalReason.FRAME, error.mfn << 12)

    @classmethod
    def require_table_owner(cls, domain: int) -> None:
        """The same for mmu_update, whose upper half may name the owner of the tables (its number and 1)."""
        owner = domain >> 16 & 0xFFFF
        if owner and owner - 1 != cls.number:
            raise HypercallError(Errno.EINVAL, f"there is no domain {owner - 1}")
        cls.require_self(domain)

    @classmethod
    def require_self(cls, domain: int) -> None:
        """The domain may act for itself only."""
        if domain & 0xFFFF not in (abi.DOMID_SELF, cls.number):
            raise HypercallError(Errno.ESRCH, f"there is no domain {domain}")
