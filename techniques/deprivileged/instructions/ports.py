"""IN, OUT, INS, OUTS (SDM vol. 1 section 19.5)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from iced_x86 import Instruction, Mnemonic, OpKind, Register

from hardware_model.cpu.general_registers import read_gpr, write_gpr
from hardware_model.task_state import IO_MAP_BASE_OFFSET, TSS_BYTES
from techniques.deprivileged.exceptions import general_protection
from techniques.deprivileged.virtual_cpu import AC

if TYPE_CHECKING:
    from techniques.deprivileged.vmm import DeprivilegingVmm

_RCX, _RDX, _RSI, _RDI = 1, 2, 6, 7
_DF = 1 << 10
_MASK = (1 << 64) - 1
_SIZES = {Register.AL: 1, Register.AX: 2, Register.EAX: 4}
_STRING_SIZES = {
    Mnemonic.INSB: 1, Mnemonic.INSW: 2, Mnemonic.INSD: 4,
    Mnemonic.OUTSB: 1, Mnemonic.OUTSW: 2, Mnemonic.OUTSD: 4,
}  # fmt: skip


def _require_permission(vmm: DeprivilegingVmm, port: int, size: int) -> None:
    """IOPL, else the I/O permission bitmap of the guest's TSS."""
    cpu, tr = vmm.cpu, vmm.cpu.tr
    if cpu.cpl <= cpu.iopl:
        return
    if tr.limit >= TSS_BYTES - 1:
        base = vmm.linear.read_integer(tr.base + IO_MAP_BASE_OFFSET, 2) + (port >> 3)
        if base + 1 <= tr.limit:
            bits = vmm.linear.read_integer(tr.base + base, 2)
            if not bits >> (port & 7) & (1 << size) - 1:
                return
    raise general_protection()


def port_of(vmm: DeprivilegingVmm, instruction: Instruction, operand: int) -> int:
    """The port that operand `operand` of an IN or OUT names."""
    if instruction.op_kind(operand) == OpKind.IMMEDIATE8:
        return int(instruction.immediate8)
    return int(vmm.machine.registers.gpr[_RDX]) & 0xFFFF


def port_in(vmm: DeprivilegingVmm, instruction: Instruction) -> None:
    """IN."""
    port, size = port_of(vmm, instruction, 1), _SIZES[instruction.op0_register]
    _require_permission(vmm, port, size)
    write_gpr(vmm.machine.registers, instruction.op0_register, vmm.virtual.read_port(port, size))
    vmm.complete(instruction)


def port_out(vmm: DeprivilegingVmm, instruction: Instruction) -> None:
    """OUT."""
    port, size = port_of(vmm, instruction, 0), _SIZES[instruction.op1_register]
    _require_permission(vmm, port, size)
    value = read_gpr(vmm.machine.registers, instruction.op1_register)
    vmm.virtual.write_port(port, size, value)
    vmm.complete(instruction)


def string(vmm: DeprivilegingVmm, instruction: Instruction) -> None:
    """One iteration of INS or OUTS; with REP the instruction stays at RIP until RCX is 0."""
    registers, size = vmm.machine.registers, _STRING_SIZES[instruction.mnemonic]
    gpr = registers.gpr
    port = int(gpr[_RDX]) & 0xFFFF
    _require_permission(vmm, port, size)
    repeated = instruction.has_rep_prefix or instruction.has_repne_prefix
    if repeated and not int(gpr[_RCX]):
        vmm.complete(instruction)
        return
    inward = instruction.mnemonic in (Mnemonic.INSB, Mnemonic.INSW, Mnemonic.INSD)
    pointer = _RDI if inward else _RSI
    _transfer(vmm, port, size, int(gpr[pointer]), inward=inward)
    step = -size if registers.rflags & _DF else size
    gpr[pointer] = (int(gpr[pointer]) + step) & _MASK
    left = 0
    if repeated:
        left = gpr[_RCX] = (int(gpr[_RCX]) - 1) & _MASK
    vmm.complete(instruction, again=bool(left))


def _transfer(vmm: DeprivilegingVmm, port: int, size: int, address: int, *, inward: bool) -> None:
    """The store of INS is checked before the port is read: a fault must not lose a value."""
    user, ac = vmm.cpu.cpl == 3, bool(vmm.machine.registers.rflags & AC)
    if inward:
        vmm.linear.check_write(address, size, user=user, ac=ac)
        value = vmm.virtual.read_port(port, size)
        vmm.linear.write(address, value.to_bytes(size, "little"), user=user, ac=ac)
    else:
        value = vmm.linear.read_integer(address, size, user=user, ac=ac)
        vmm.virtual.write_port(port, size, value)
