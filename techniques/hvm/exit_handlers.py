"""One handler for each exit reason that can happen; an exit without a handler is an error that names it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from hardware_model import counters as counter_table
from hardware_model.cpuid import cpuid
from hardware_model.devices import local_apic
from hardware_model.machine import End
from hardware_model.vmx.exit_reasons import Reason
from hardware_model.vmx.fields import Field
from hardware_model.vmx.interruption import INTERRUPTION_VALID
from hardware_model.vmx.qualifications import ApicAccess, CrAccess, CrAccessType, IoInstruction

if TYPE_CHECKING:
    from techniques.hvm.vmm import Hvm

_IF = 1 << 9
_MSW = 0xF
_TS = 1 << 3
_EMULATE = counter_table.index("emulate")
GENERAL_PROTECTION, INVALID_OPCODE = 13, 6


def exception(vmm: Hvm) -> None:
    """Exceptions the bitmap selects: page faults under shadow paging."""
    vmm.exception_exit()


def external_interrupt(vmm: Hvm) -> None:
    """The host timer: virtual devices have an event; or an assigned device's interrupt."""
    info = vmm.vmx.read(Field.EXIT_INTERRUPTION_INFO) if vmm.interrupt_path.exit else 0
    vmm.virtual.host_interrupt(info & 0xFF if info & INTERRUPTION_VALID else None)


def triple_fault(vmm: Hvm) -> None:
    """The guest is beyond help."""
    vmm.machine.end(End.TRIPLE_FAULT)


def interrupt_window(vmm: Hvm) -> None:
    """The guest can take an interrupt now; `Injection.finish` delivers it."""


def emulate_cpuid(vmm: Hvm) -> None:
    """CPUID always exits; it is answered as the bare processor does."""
    vmm.counts[_EMULATE] += 1
    gpr = vmm.machine.registers.gpr
    eax, ebx, ecx, edx = cpuid(gpr[0] & 0xFFFFFFFF, gpr[1] & 0xFFFFFFFF)
    gpr[0], gpr[3], gpr[1], gpr[2] = eax, ebx, ecx, edx
    vmm.vmx.skip_instruction()


def halt(vmm: Hvm) -> None:
    """HLT: wait for a virtual interrupt."""
    vmm.vmx.skip_instruction()
    if not vmm.vmx.read(Field.GUEST_RFLAGS) & _IF or not vmm.virtual.wait():
        vmm.machine.end(End.HALTED)


def nothing(vmm: Hvm) -> None:
    """INVD and WBINVD: no caches are modelled."""
    vmm.vmx.skip_instruction()


def invalidate_page(vmm: Hvm) -> None:
    """INVLPG."""
    vmm.invalidate_page(vmm.vmx.read(Field.EXIT_QUALIFICATION))
    vmm.vmx.skip_instruction()


def undefined(vmm: Hvm) -> None:
    """Instructions that this virtual processor does not have."""
    vmm.inject(INVALID_OPCODE)


def control_register(vmm: Hvm) -> None:
    """MOV to and from control registers, CLTS, LMSW."""
    vmm.counts[_EMULATE] += 1
    access = CrAccess.decode(vmm.vmx.read(Field.EXIT_QUALIFICATION))
    gpr = vmm.machine.registers.gpr
    if access.type is CrAccessType.MOV_FROM_CR:
        gpr[access.gpr] = (
            vmm.virtual.apic.task_priority >> 4
            if access.register == 8
            else vmm.guest_cr(access.register)
        )
    elif access.register == 8:
        if not _write_task_priority(vmm, gpr[access.gpr]):
            return
    elif not vmm.load_control_register(*_target(vmm, access)):
        return
    vmm.vmx.skip_instruction()


def _target(vmm: Hvm, access: CrAccess) -> tuple[int, int]:
    if access.type is CrAccessType.CLTS:
        return 0, vmm.guest_cr(0) & ~_TS
    if access.type is CrAccessType.LMSW:
        return 0, vmm.guest_cr(0) & ~(_MSW & ~1) | access.lmsw_source & _MSW
    return access.register, vmm.machine.registers.gpr[access.gpr]


def _write_task_priority(vmm: Hvm, value: int) -> bool:
    if value > 15:
        vmm.inject(GENERAL_PROTECTION, 0)
        return False
    vmm.virtual.apic.task_priority = value << 4
    return True


def tpr_below_threshold(vmm: Hvm) -> None:
    """The TPR dropped: an interrupt that waited can be delivered by `Injection.finish`."""


def port(vmm: Hvm) -> None:
    """IN, OUT and their string forms."""
    vmm.counts[_EMULATE] += 1
    access = IoInstruction.decode(vmm.vmx.read(Field.EXIT_QUALIFICATION))
    if access.string:
        vmm.emulator.string_port(access)
        return
    gpr = vmm.machine.registers.gpr
    mask = (1 << 8 * access.size) - 1
    if access.read:
        value = vmm.virtual.read_port(access.port, access.size)
        keep = 0 if access.size == 4 else gpr[0] & ~mask
        gpr[0] = keep | value
    else:
        vmm.virtual.write_port(access.port, access.size, gpr[0] & mask)
    vmm.vmx.skip_instruction()


def read_msr(vmm: Hvm) -> None:
    """RDMSR."""
    vmm.counts[_EMULATE] += 1
    gpr = vmm.machine.registers.gpr
    value = vmm.read_msr(gpr[1] & 0xFFFFFFFF)
    if value is None:
        vmm.inject(GENERAL_PROTECTION, 0)
        return
    gpr[0], gpr[2] = value & 0xFFFFFFFF, value >> 32
    vmm.vmx.skip_instruction()


def write_msr(vmm: Hvm) -> None:
    """WRMSR."""
    vmm.counts[_EMULATE] += 1
    gpr = vmm.machine.registers.gpr
    value = (gpr[2] & 0xFFFFFFFF) << 32 | gpr[0] & 0xFFFFFFFF
    number = gpr[1] & 0xFFFFFFFF
    if vmm.machine.processor.write_msr(number, value):
        vmm.msr_written(number, value)
        vmm.vmx.skip_instruction()
    else:
        vmm.inject(GENERAL_PROTECTION, 0)


def ept_violation(vmm: Hvm) -> None:
    """A guest-physical address without a mapping: device register, or memory filled on demand."""
    vmm.ept_violation(vmm.vmx.read(Field.GUEST_PHYSICAL_ADDRESS))


def apic_access(vmm: Hvm) -> None:
    """A register of the local APIC that the processor does not virtualize."""
    offset = ApicAccess.decode(vmm.vmx.read(Field.EXIT_QUALIFICATION)).offset
    vmm.emulator.device_access(local_apic.BASE + offset)


def apic_write(vmm: Hvm) -> None:
    """A store to the virtual-APIC page, done already, that asks something of the VMM."""
    offset = vmm.vmx.read(Field.EXIT_QUALIFICATION)
    vmm.virtual.write(local_apic.BASE + offset, 4, vmm.apic_page.register(offset))


HANDLERS: dict[int, Callable[[Hvm], None]] = {
    Reason.EXCEPTION_NMI: exception,
    Reason.EXTERNAL_INTERRUPT: external_interrupt,
    Reason.TRIPLE_FAULT: triple_fault,
    Reason.INTERRUPT_WINDOW: interrupt_window,
    Reason.CPUID: emulate_cpuid,
    Reason.HLT: halt,
    Reason.INVD: nothing,
    Reason.INVLPG: invalidate_page,
    Reason.VMCALL: undefined,
    Reason.VMCLEAR: undefined,
    Reason.VMLAUNCH: undefined,
    Reason.VMPTRLD: undefined,
    Reason.VMPTRST: undefined,
    Reason.VMREAD: undefined,
    Reason.VMRESUME: undefined,
    Reason.VMWRITE: undefined,
    Reason.VMXOFF: undefined,
    Reason.VMXON: undefined,
    Reason.CR_ACCESS: control_register,
    Reason.IO_INSTRUCTION: port,
    Reason.RDMSR: read_msr,
    Reason.WRMSR: write_msr,
    Reason.TPR_BELOW_THRESHOLD: tpr_below_threshold,
    Reason.APIC_ACCESS: apic_access,
    Reason.APIC_WRITE: apic_write,
    Reason.EPT_VIOLATION: ept_violation,
    Reason.WBINVD: nothing,
}
