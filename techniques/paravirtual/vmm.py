"""The technique `pv`: traps of the ported guest, hypercalls, system calls passed on, events."""

from __future__ import annotations

from collections.abc import Mapping

from hardware_model import counters as counter_table
from hardware_model.boot import BOOT_TSS
from hardware_model.counter_groups import HYPERCALL_NUMBERS
from hardware_model.deprivileged import (
    Deprivileged,
    ExceptionTrap,
    ExternalInterrupt,
    SoftwareInterrupt,
    SystemCall,
    Trap,
)
from hardware_model.devices.device import PortDevice
from hardware_model.machine import End, Machine
from hardware_model.platform import Ends, Platform, new_platform
from techniques.frames import FrameAllocator
from techniques.guest import BootImage, GuestImage, LinuxImage
from techniques.io_models.knobs import BATCHING as RING_BATCHING
from techniques.knobs import Knob, Value
from techniques.paravirtual import abi, xen_mappings
from techniques.paravirtual.abi import HypercallError
from techniques.paravirtual.console_ring import ConsoleRing
from techniques.paravirtual.domain import Domain
from techniques.paravirtual.domain_builder import CONSOLE_PORT, STORE_PORT, DomainBuilder
from techniques.paravirtual.domain_layout import DomainLayout, own_layout
from techniques.paravirtual.hypercall_table import BY_NAME, BY_NUMBER
from techniques.paravirtual.hypercalls import Hypercalls
from techniques.paravirtual.linux_layout import linux_layout
from techniques.paravirtual.page_table_writes import PageTableWrites
from techniques.paravirtual.portability import why_not_portable
from techniques.paravirtual.privileged import PrivilegedInstructions
from techniques.paravirtual.runstate import State
from techniques.paravirtual.xenstore import Store, StoreRing
from techniques.refusals import RefusalReason
from techniques.technique import GuestError, GuestRegisters, Skipped, Technique
from workloads import LinuxWorkload, Workload

_ENTRIES = counter_table.index("hypercall.entries")
_BLOCKS = counter_table.index("pv.block")
_REFLECTED = counter_table.index("trap.reflected")
_IRETS = counter_table.index("hypercall.iret")
_SYSCALL_BYTES = 2
_IRET = BY_NAME["iret"].number
_INVALID_OPCODE, _GENERAL_PROTECTION, _PAGE_FAULT = 6, 13, 14

_ENDS: dict[int, End] = {
    abi.Shutdown.POWEROFF: End.POWERED_OFF,
    abi.Shutdown.REBOOT: End.RESET,
}
"""What sched_op shutdown means; our own kernel's reasons are its exit status."""

BATCHING = Knob(
    "pv.batching",
    "multicall",
    ("multicall", "single"),
    "whether the guest collects page-table updates and changes of context",
    "single: one hypercall for each update",
)


def _nothing() -> None:
    """These devices only stand for the guest's console and shutdown reason."""


TRAPS = Knob(
    "pv.traps",
    "bounced",
    ("bounced", "direct"),
    "whether system calls reach the guest kernel through the hypervisor, as on x86-64 Xen, or by a gate of their own",
    "direct: as on 32-bit Xen; the kernel, at CPL 1, can read the hypervisor's tables, and programs use INT 80H",
)


class Paravirtual(Technique):
    """A guest kernel ported to Xen's interface, at CPL 3 beside its programs, on page tables that Xen checks."""

    name = "pv"
    doc = "the guest kernel is ported to Xen's PV interface: hypercalls, direct paging, event channels"
    knobs = (BATCHING, TRAPS, RING_BATCHING)
    vmm_bytes = 4 << 20
    ported = True
    refuses_by = RefusalReason.FRAME
    compared = ("status", "console", "result")

    def __init__(self, machine: Machine, image: BootImage, knobs: Mapping[str, Value]) -> None:
        super().__init__(machine, image, knobs)
        self._counts = machine.counters.data
        self._processor = Deprivileged(machine)
        self._devices = new_platform(
            lambda: machine.now, _nothing, _nothing, _nothing, Ends(_nothing, _nothing, _nothing)
        )
        frames = FrameAllocator(self.base + abi.PAGE, self.memory.base)
        direct = self.settings["pv.traps"] == "direct"
        self.domain = Domain(machine, self.memory, frames, direct)
        self.refusals = self.domain.refusals
        self.hypercalls = Hypercalls(machine, self.domain, self._devices)
        self._privileged = PrivilegedInstructions(machine, self.domain)
        self._page_table_writes = PageTableWrites(machine, self.domain)
        self.store: Store | None = None  # with devices to be found in it

    @classmethod
    def vmm_bytes_beside(cls, ram_bytes: int) -> int:
        """More for the machine-to-physical table where there is much memory, 2 MiB for each GiB of the machine."""
        return cls.vmm_bytes + (ram_bytes >> 30 << 22)

    @classmethod
    def ring1(cls, settings: Mapping[str, Value]) -> bool:
        """With traps of their own, programs lead to a kernel at CPL 1."""
        return settings["pv.traps"] == "direct"

    @classmethod
    def check(cls, workload: Workload | LinuxWorkload, size: str) -> None:
        """Workloads that are about what porting removes make no sense here."""
        if workload.on_linux:
            return
        reason = why_not_portable(workload.path, workload.named_parameters(size))
        if reason:
            raise Skipped(reason)

    @property
    def platform(self) -> Platform:
        """What stands for the guest's devices: its console's output and its shutdown reason."""
        return self._devices

    def grant_ports(self, first: int, count: int, device: PortDevice) -> None:
        """Ports that the domain may use, as by XEN_DOMCTL_ioport_permission."""
        self.domain.ports.attach_ports(first, count, device)

    def map_foreign_frame(self, page: int) -> None:
        """A hypervisor that takes the frame for the domain's own."""
        self.domain.types.share(page >> 12)

    def start(self) -> None:
        """Build the domain."""
        layout = self._layout()
        self.open_console(layout.console)
        self._open_store(layout.store)
        builder = DomainBuilder(self.domain, self.memory, layout)
        self.machine.load_state(builder.build())
        self.machine.registers.set_segment("tr", BOOT_TSS._replace(base=xen_mappings.TSS))

    def resume(self, budget: int | None = None, pause: int | None = None) -> End:
        """Run the domain; how Linux shut down is how the run ended."""
        self.domain.preemption.allow(budget)
        end = self._processor.run(self._on_trap, budget, pause)
        reason = self.domain.shutdown_reason
        if isinstance(self.image, GuestImage) or reason is None:
            return end
        return _ENDS.get(reason, end)

    def finish(self) -> None:
        """Tell how the guest shut down."""
        self._devices.exit_port.status = self.domain.shutdown_reason

    def _layout(self) -> DomainLayout:
        image, pages = self.image, self.domain.pages
        if isinstance(image, GuestImage):
            options = "" if self.settings["pv.batching"] == "multicall" else "nobatch"
            return own_layout(image, pages, options, store=self.store is not None)
        if isinstance(image, LinuxImage):
            if self.domain.direct_traps:
                raise GuestError(
                    "64-bit Linux has no kernel for CPL 1; pv.traps=direct is not for it"
                )
            return linux_layout(image.kernel, pages, store=self.store is not None)
        raise GuestError("pv boots guests that were ported to it; this is none")

    def open_console(self, frame: int) -> None:
        """Connect a back end to the ring in the guest's frame."""
        ring, events = (
            ConsoleRing(self.memory, frame, self._devices.uart.output),
            self.domain.events,
        )

        def take() -> None:
            ring.drain()
            events.notify(CONSOLE_PORT)  # there is room again

        events.open_interdomain(CONSOLE_PORT, take)

    def _open_store(self, frame: int) -> None:
        if self.store is None or not frame:
            return
        events, number = self.domain.events, self.domain.number
        ring = StoreRing(self.memory, frame, self.store, number, lambda: events.notify(STORE_PORT))
        events.open_interdomain(STORE_PORT, ring.serve)

    def _on_trap(self, trap: Trap) -> None:
        match trap:
            case SystemCall():
                self._system_call()
            case ExceptionTrap(vector=vector, error=error, address=address):
                self._exception(vector, error, address)
            case SoftwareInterrupt(vector=vector, length=length):
                self._software_interrupt(vector, length)
            case ExternalInterrupt():
                self._timer_interrupt()
        while self.domain.blocked and self.machine.running:
            self._idle()
        if self.machine.running:
            self.domain.cpu.deliver_events()

    # --- SYSCALL ------------------------------------------------------------------------------------
    def _system_call(self) -> None:
        registers, cpu = self.machine.registers, self.domain.cpu
        self.machine.retire_emulated()
        if not cpu.kernel_mode:
            if self.domain.direct_traps:  # a 32-bit guest's programs have INT 80H only
                cpu.exception(_INVALID_OPCODE, None)
            else:
                cpu.system_call(registers.rip + _SYSCALL_BYTES)
            return
        number = registers.gpr[0] & 0xFFFFFFFF
        self._counts[_ENTRIES] += 1
        self.hot_exits[(_call_name(number), registers.rip)] += 1
        if number == _IRET:
            self._counts[_IRETS] += 1
            self._interrupt_return()
            return
        self.hypercalls.enter(number)

    def _interrupt_return(self) -> None:
        try:
            self.domain.cpu.interrupt_return()
        except HypercallError as error:
            raise GuestError(str(error)) from None

    # --- exceptions ---------------------------------------------------------------------------------
    def _exception(self, vector: int, error: int | None, address: int) -> None:
        registers, cpu = self.machine.registers, self.domain.cpu
        self.hot_exits[(f"exception {vector}", registers.rip)] += 1
        if vector in (_GENERAL_PROTECTION, _INVALID_OPCODE) and self._privileged.emulate(vector):
            return
        if (
            vector == _PAGE_FAULT
            and error is not None
            and self._page_table_writes.attempt(address, error)
        ):
            return
        self._counts[_REFLECTED] += 1
        cpu.exception(vector, error, address)

    def _software_interrupt(self, vector: int, length: int) -> None:
        """INT n: handlers with privilege 3 are open to users, with 1 to the kernel; others give #GP. INT3: all are."""
        cpu, registers = self.domain.cpu, self.machine.registers
        handler = cpu.traps.get(vector)
        self._counts[_REFLECTED] += 1
        level = 1 if cpu.kernel_mode else 3
        if handler is None or (length > 1 and handler.privilege < level):
            cpu.exception(_GENERAL_PROTECTION, vector * 8 + 2)
            return
        self.machine.retire_emulated()
        cpu.bounce(handler, registers.rip + length)

    # --- time ---------------------------------------------------------------------------------------
    def _timer_interrupt(self) -> None:
        if self.domain.clock.interrupt():
            self.domain.events.raise_virq(abi.VIRQ_TIMER)

    def _idle(self) -> None:
        """The guest is blocked: go to the next interrupt of the machine."""
        self._counts[_BLOCKS] += 1
        self.domain.runstate.change(State.BLOCKED)
        if self.domain.clock.next_event() is None or not self.machine.idle():
            self.machine.end(End.HALTED)  # only the timer could have woken it
        elif self.machine.running:
            self._timer_interrupt()
            self.domain.wake()
            self.domain.runstate.change(State.RUNNING)

    def guest_registers(self) -> GuestRegisters:
        """The processor's registers. They are those of another binary than the native one."""
        r, cpu = self.machine.registers, self.domain.cpu
        return GuestRegisters(
            gpr=tuple(int(v) for v in r.gpr),
            rip=r.rip,
            rflags=r.rflags,
            cr=(r.cr(0), r.cr(2), cpu.kernel_root, r.cr(4)),
            efer=r.efer,
            cs=r.segment("cs").selector,
            ss=r.segment("ss").selector,
        )


def _call_name(number: int) -> str:
    if number in BY_NUMBER:
        return BY_NUMBER[number].name
    return f"hypercall {number if number < HYPERCALL_NUMBERS else 'of another number'}"
