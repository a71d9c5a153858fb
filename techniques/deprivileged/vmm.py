"""A VMM that runs its guest's kernel at CPL 1 and user code at CPL 3, on shadow page tables.

The processor's vectors and its SYSCALL entry are the VMM's. Instructions that fault for want of
privilege are emulated; everything else goes to the guest through its own IDT, as natively.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar

from iced_x86 import Instruction, Mnemonic, Register

from hardware_model import counters as counter_table
from hardware_model.canonical import is_canonical
from hardware_model.deprivileged import (
    Deprivileged,
    ExceptionTrap,
    ExternalInterrupt,
    SoftwareInterrupt,
    SystemCall,
    Trap,
)
from hardware_model.machine import End, Machine
from hardware_model.platform import Platform
from hardware_model.vectors import EXCEPTION_VECTORS
from techniques.deprivileged import initial_state, single_stepping
from techniques.deprivileged.delivery import Delivery
from techniques.deprivileged.descriptor_tables import DescriptorTables
from techniques.deprivileged.exceptions import (
    DEBUG,
    GENERAL_PROTECTION,
    INVALID_OPCODE,
    NOT_PRESENT,
    PAGE_FAULT,
    STACK_FAULT,
    GuestException,
)
from techniques.deprivileged.instructions import HANDLERS, Handler
from techniques.deprivileged.linear_memory import LinearMemory
from techniques.deprivileged.platform import DeprivilegedPlatform
from techniques.deprivileged.rings import Rings
from techniques.deprivileged.segmentation import Segmentation
from techniques.deprivileged.shadow_memory import POLICY, ShadowMemory
from techniques.deprivileged.transfers import Transfers
from techniques.deprivileged.virtual_cpu import AC, KERNEL_RING, VirtualCpu
from techniques.deprivileged.virtual_msrs import VirtualMsrs
from techniques.emulator import Emulator, NothingToExecute
from techniques.frames import FrameAllocator
from techniques.guest import BootImage
from techniques.io_models.knobs import PARAVIRTUAL_KNOBS
from techniques.knobs import Knob, Value
from techniques.shadow import DeviceAccess, EmulateWrite, Filled, GuestFault
from techniques.shadow.prefetch import PREFETCH
from techniques.technique import GuestError, GuestRegisters, Technique

MIB, FIRST_FRAME = 1 << 20, 0x10000
_REFLECTED, _EMULATED = counter_table.index("trap.reflected"), counter_table.index("trap.emulated")
_EMULATE = counter_table.index("emulate")
_MAY_BE_EMULATED = frozenset({GENERAL_PROTECTION, INVALID_OPCODE, NOT_PRESENT, STACK_FAULT})
_NAMES = {vector.number: vector.mnemonic for vector in EXCEPTION_VECTORS}
_MNEMONICS = {v: name.lower() for name, v in vars(Mnemonic).items() if name.isupper()}


class DeprivilegingVmm(Technique):
    """A guest without its privilege; `cpu` is its virtual processor, `virtual` its devices."""

    vmm_bytes = 32 * MIB
    own_bytes: ClassVar[int] = 0  # of these, at their end, what is not a pool of frames
    hide_outward: ClassVar[bool] = True  # see `descriptor_mirror`
    knobs: ClassVar[tuple[Knob, ...]] = (POLICY, PREFETCH, *PARAVIRTUAL_KNOBS)

    def __init__(self, machine: Machine, image: BootImage, knobs: Mapping[str, Value]) -> None:
        super().__init__(machine, image, knobs)
        registers = self._registers = machine.registers
        self._counts = machine.counters.data
        self._processor = Deprivileged(machine)
        self.virtual = DeprivilegedPlatform(machine)
        self.cpu = VirtualCpu(registers, VirtualMsrs(registers, self._processor))
        frames = FrameAllocator(self.base + FIRST_FRAME, self.memory.base - self.own_bytes)
        policy, prefetch = str(knobs["shadow.policy"]), int(knobs["shadow.prefetch"])
        self.shadow = ShadowMemory(machine, self.memory, frames, self.cpu, policy, prefetch)
        pager = self.shadow.pager
        self.linear = LinearMemory(self.memory, self.shadow.walker, self.memory_written)
        mirrored = (machine.memory, self.memory, self.shadow.window, self.cpu, pager.translate)
        self.tables = DescriptorTables(*mirrored, hide_outward=self.hide_outward)
        rings = Rings(registers, self.tables)
        self.segmentation = Segmentation(registers, self.cpu, self.linear)
        parts = (registers, self.cpu, self.linear, self.segmentation, rings)
        self.delivery, self.transfers = Delivery(*parts), Transfers(*parts)
        self.emulator = Emulator(
            machine, self.memory, self.virtual, pager.translate, self.memory_written, self.refuse
        )

    @property
    def platform(self) -> Platform:
        """The virtual devices."""
        return self.virtual.devices

    def memory_written(self, gpa: int, size: int) -> None:
        """The VMM has stored `size` bytes at guest-physical `gpa` for the guest."""
        self.shadow.pager.guest_table_written(gpa, size)

    def map_device(self, page: int) -> None:
        """A shadow entry leads to the registers wherever the guest maps them."""
        self.shadow.pager.pass_device(page >> 12)

    def take_host_vector(self, vector: int, action: Callable[[], None]) -> None:
        """An assigned device's interrupt."""
        self.virtual.host_vectors[vector] = action

    def resume(self, budget: int | None = None, pause: int | None = None) -> End:
        """Run below CPL 0."""
        return self._processor.run(self.on_trap, budget, pause)

    def start(self) -> None:
        """Give the guest its registers, at ring 1 in place of ring 0."""
        state = self.boot()
        self.machine.load_state(state)
        self.cpu.reset(state)
        initial_state.load(self._registers, self.cpu, state)
        self.shadow.start()
        self.tables.locate()
        self.tables.load(self._registers)
        self.virtual.arm()

    def on_trap(self, trap: Trap) -> None:
        """Handle one trap; the guest goes on afterwards."""
        if self._registers.cpl == KERNEL_RING:
            self.tables.refresh()
        try:
            self._handle(trap)
        except GuestException as fault:
            self._reflect(fault)
        except NothingToExecute:
            self._reflect(GuestException(INVALID_OPCODE))
        if self.machine.running:
            self._deliver_interrupt()

    def _handle(self, trap: Trap) -> None:
        match trap:
            case ExceptionTrap(vector=vector) if vector == PAGE_FAULT:
                self.note("pf")
                self._page_fault(trap.address, trap.error or 0)
            case ExceptionTrap():
                self._exception(trap)
            case SystemCall():
                self.note("syscall")
                self.transfers.system_call()
                self.machine.retire_emulated()
                self._counts[_REFLECTED] += 1
                single_stepping.trap(self.cpu, self._registers.rflags)
            case SoftwareInterrupt(vector=vector, length=length):
                self.note("int")
                self.delivery.software(vector, length)
                self.machine.retire_emulated()
                self._counts[_REFLECTED] += 1
            case ExternalInterrupt():
                self.note("interrupt")
                self.virtual.host_interrupt()

    def note(self, name: str) -> None:
        """Count an exit for the list of hot ones."""
        self.hot_exits[(name, self._registers.rip)] += 1

    def _page_fault(self, address: int, error: int) -> None:
        """Hidden fault, true fault, traced write, device register, or a descriptor's accessed flag."""
        self.makes_way()
        if not self.cpu.cpl and self.tables.mark_accessed(address, self.linear):
            return
        match self.shadow.on_page_fault(address, error):
            case Filled():
                pass
            case GuestFault(error_code=code, va=va):
                raise GuestException(PAGE_FAULT, code, va)
            case EmulateWrite(gpa=gpa):
                self.emulate_store(gpa)
            case DeviceAccess(gpa=gpa):
                self.emulator.device_access(gpa)

    def emulate_store(self, gpa: int, *, known: bool = False) -> None:
        """Perform the store at RIP, which goes to guest-physical `gpa` in a traced frame.

        `known`: it was decoded before.
        """
        self.emulator.store(known=known)

    def _exception(self, trap: ExceptionTrap) -> None:
        if trap.vector == DEBUG:
            self.cpu.debug[6] |= self._registers.dr(6)
        elif trap.vector in _MAY_BE_EMULATED and self._is_code(self._registers.rip):
            instruction = self.emulator.decode()
            handler = HANDLERS.get(instruction.code)
            if handler is not None:
                self._emulate(instruction, handler)
                return
            if instruction.is_privileged and trap.vector == GENERAL_PROTECTION:
                raise GuestError(
                    f"privileged instruction at RIP {self._registers.rip:#x} has no emulation: {instruction}"
                )
        self.note(_NAMES[trap.vector])
        raise GuestException(trap.vector, trap.error)

    def _is_code(self, rip: int) -> bool:
        """Whether there is an instruction: a transfer to nowhere faults with RIP at its target."""
        gpa = self.shadow.pager.translate(rip) if is_canonical(rip) else None
        return gpa is not None and gpa < self.memory.size

    def _emulate(self, instruction: Instruction, handler: Handler) -> None:
        self.note(_MNEMONICS[instruction.mnemonic])
        steps = self._registers.single_steps
        handler(self, instruction)
        single_stepping.performed(self.cpu, instruction, steps=steps)

    def _reflect(self, fault: GuestException) -> None:
        self._counts[_REFLECTED] += 1
        if not self.delivery.exception(fault):
            self.machine.end(End.TRIPLE_FAULT)

    def _deliver_interrupt(self) -> None:
        """A virtual interrupt goes to the guest as soon as its IF and the shadow of STI let it."""
        self.makes_way()
        apic, window = self.virtual.apic, False
        if apic.deliverable and self.cpu.interrupts:
            window = self._registers.sti_shadow
            if not window:
                self._interrupt(apic.acknowledge() or 0)
        if self.machine.running:
            self.virtual.settle(window=window)

    def makes_way(self) -> bool:
        """The window lies where the guest maps nothing; True if it had to move for that."""
        if wanted := self.shadow.slot_is_wanted:
            self.shadow.move_window()
            self.tables.load(self._registers)
            self.window_moved()
        return wanted

    def window_moved(self) -> None:
        """What the VMM keeps in its window is at other linear addresses now."""

    def _interrupt(self, vector: int) -> None:
        self._counts[_REFLECTED] += 1
        if not self.delivery.interrupt(vector):
            self.machine.end(End.TRIPLE_FAULT)

    def require_kernel(self) -> None:
        """Raise #GP(0) unless the guest is at its CPL 0."""
        if self.cpu.cpl:
            raise GuestException(GENERAL_PROTECTION, 0)

    def read_operand(self, instruction: Instruction, size: int) -> int:
        """The instruction's memory operand of `size` bytes."""
        address = self.emulator.linear_address(instruction)
        ac = bool(self._registers.rflags & AC)
        stack = instruction.memory_segment == Register.SS
        return self.linear.read_integer(address, size, user=self.cpu.cpl == 3, ac=ac, stack=stack)

    def read_stack(self, size: int) -> int:
        """The top of the stack."""
        rsp, ac = int(self._registers.gpr[4]), bool(self._registers.rflags & AC)
        return self.linear.read_integer(rsp, size, user=self.cpu.cpl == 3, ac=ac, stack=True)

    def complete(self, instruction: Instruction, *, again: bool = False) -> None:
        """The instruction is done: RIP goes behind it, or stays for the next round of REP."""
        self._count_emulation()
        self.emulator.complete(0 if again else instruction.len)

    def retire(self, instruction: Instruction) -> None:
        """The instruction is done and has set RIP itself."""
        self._count_emulation()
        self.machine.retire_emulated()

    def _count_emulation(self) -> None:
        self._counts[_EMULATE] += 1
        self._counts[_EMULATED] += 1

    def write_cr(self, number: int, value: int) -> None:
        """The guest loads CR0, CR3 or CR4 with a legal value."""
        self.shadow.write_cr(number, value)
        if number == 3:
            self.tables.locate()

    def write_dr(self, number: int, value: int) -> None:
        """The guest loads DR0-3, DR6 or DR7; its breakpoints are the processor's."""
        self.machine.processor.load_dr(number, value)
        self.cpu.debug[number] = self._registers.dr(number)

    def guest_registers(self) -> GuestRegisters:
        """The guest's registers, as it would read them natively."""
        r, cpu = self._registers, self.cpu
        return GuestRegisters(
            gpr=tuple(int(value) for value in r.gpr),
            rip=r.rip,
            rflags=cpu.rflags,
            cr=(cpu.cr(0), cpu.cr(2), cpu.cr(3), cpu.cr(4)),
            efer=cpu.efer,
            cs=cpu.selector("cs"),
            ss=cpu.selector("ss"),
        )
