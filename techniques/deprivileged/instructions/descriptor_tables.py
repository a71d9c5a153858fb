"""LGDT, LIDT, LLDT, LTR (SDM vol. 2A; vol. 3A section 2.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from iced_x86 import Instruction, OpKind

from hardware_model.cpu.general_registers import read_gpr
from hardware_model.descriptors import SystemType
from hardware_model.executor.registers import Segment
from techniques.deprivileged.descriptor_mirror import PRESENT
from techniques.deprivileged.exceptions import NOT_PRESENT, GuestException, general_protection

if TYPE_CHECKING:
    from techniques.deprivileged.vmm import DeprivilegingVmm

_NULL = 0xFFFC
_POINTER_BYTES = 10
_BUSY = 1 << 41
_FLAGS = 0x00F0FF00


def _table_pointer(vmm: DeprivilegingVmm, instruction: Instruction) -> tuple[int, int]:
    vmm.require_kernel()
    value = vmm.read_operand(instruction, _POINTER_BYTES)
    return value >> 16, value & 0xFFFF


def lgdt(vmm: DeprivilegingVmm, instruction: Instruction) -> None:
    """LGDT: the guest's table is noted and mirrored; the register keeps the VMM's."""
    vmm.cpu.gdtr = _table_pointer(vmm, instruction)
    vmm.tables.locate()
    vmm.complete(instruction)


def lidt(vmm: DeprivilegingVmm, instruction: Instruction) -> None:
    """LIDT: the guest's table is noted; the register keeps the VMM's."""
    vmm.cpu.idtr = _table_pointer(vmm, instruction)
    vmm.complete(instruction)


def _selector(vmm: DeprivilegingVmm, instruction: Instruction) -> int:
    vmm.require_kernel()
    if instruction.op0_kind == OpKind.MEMORY:
        return vmm.read_operand(instruction, 2)
    return read_gpr(vmm.machine.registers, instruction.op0_register) & 0xFFFF


def _system_segment(vmm: DeprivilegingVmm, selector: int, kind: SystemType) -> tuple[int, Segment]:
    """(address of the descriptor, segment) of a selector that must name a present `kind`."""
    if selector & 4:
        raise general_protection(selector & _NULL)
    found, base = vmm.segmentation.system_descriptor(selector)
    if found.system_type != kind:
        raise general_protection(selector & _NULL)
    if not found.word & PRESENT:
        raise GuestException(NOT_PRESENT, selector & _NULL)
    return found.address, Segment(selector, base, found.limit, found.word >> 32 & _FLAGS)


def lldt(vmm: DeprivilegingVmm, instruction: Instruction) -> None:
    """LLDT; a null selector means that there is no LDT."""
    selector = _selector(vmm, instruction)
    if selector & _NULL:
        _, vmm.cpu.ldtr = _system_segment(vmm, selector, SystemType.LDT)
    else:
        vmm.cpu.ldtr = Segment(selector, 0, 0, 0)
    vmm.tables.locate()
    vmm.complete(instruction)


def ltr(vmm: DeprivilegingVmm, instruction: Instruction) -> None:
    """LTR: marks the guest's TSS busy."""
    selector = _selector(vmm, instruction)
    if not selector & _NULL:
        raise general_protection()
    address, segment = _system_segment(vmm, selector, SystemType.TSS_AVAILABLE)
    word = vmm.linear.read_integer(address, 8) | _BUSY
    vmm.linear.write(address, word.to_bytes(8, "little"))
    vmm.cpu.tr = segment._replace(flags=word >> 32 & _FLAGS)
    vmm.complete(instruction)
