"""Privileged instructions of the guest kernel that Xen completes for it, and the forced CPUID.

A ported kernel has few: RDMSR, now and then a port or a control register, and CLI or STI before its own start has
replaced them. CLI and STI do nothing, for the guest masks events elsewhere; no port answers but those granted to it.
"""

from __future__ import annotations

from collections.abc import Callable

from iced_x86 import Decoder, Instruction, Mnemonic, OpKind, Register

from hardware_model import counters as counter_table
from hardware_model.cpu.general_registers import read_gpr, write_gpr
from hardware_model.machine import Machine
from techniques.paravirtual.domain import Domain
from techniques.paravirtual.guest_cpuid import guest_cpuid
from techniques.paravirtual.guest_msrs import GuestMsrs

_EMULATED, _EMULATE = counter_table.index("trap.emulated"), counter_table.index("emulate")
_BYTES = counter_table.index("emulate.bytes")
_FORCED_CPUID = b"\x0f\x0bxen\x0f\xa2"
_INVALID_OPCODE = 6
_LOW = 0xFFFFFFFF
_RAX, _RCX, _RDX, _RBX = 0, 1, 2, 3
_CR0_TS = 8
_SIZES = {Register.AL: 1, Register.AX: 2}
_CONTROL = {Register.CR0: 0, Register.CR2: 2, Register.CR3: 3, Register.CR4: 4}


class PrivilegedInstructions:
    """Emulates for the guest kernel; anything else is the guest's own exception."""

    def __init__(self, machine: Machine, domain: Domain) -> None:
        self._machine = machine
        self._registers = machine.registers
        self._counts = machine.counters.data
        self._domain = domain
        self._msrs = GuestMsrs(machine, domain)
        self._handlers: dict[int, Callable[[Instruction], bool]] = {
            Mnemonic.RDMSR: self._read_msr,
            Mnemonic.WRMSR: self._write_msr,
            Mnemonic.IN: self._in,
            Mnemonic.OUT: self._out,
            Mnemonic.CLI: lambda _: True,
            Mnemonic.STI: lambda _: True,
            Mnemonic.WBINVD: lambda _: True,
            Mnemonic.CLTS: self._clear_task_switched,
            Mnemonic.MOV: self._move_control_register,
        }

    def emulate(self, vector: int) -> bool:
        """Complete the instruction at RIP if it is one of these; False leaves the exception to the guest."""
        code = self._domain.memory.code(self._registers.rip)
        if vector == _INVALID_OPCODE:
            if not code.startswith(_FORCED_CPUID):
                return False
            self._cpuid()
            return self._complete(len(_FORCED_CPUID))
        if not self._domain.cpu.kernel_mode:
            return False
        instruction = Decoder(64, code, ip=self._registers.rip).decode()
        handler = self._handlers.get(instruction.mnemonic)
        return handler is not None and handler(instruction) and self._complete(instruction.len)

    def _complete(self, length: int) -> bool:
        for counter, amount in ((_EMULATED, 1), (_EMULATE, 1), (_BYTES, length)):
            self._counts[counter] += amount
        self._registers.rip += length
        self._machine.retire_emulated()
        return True

    def _cpuid(self) -> None:
        gpr = self._registers.gpr
        answer = guest_cpuid(int(gpr[_RAX]) & _LOW, int(gpr[_RCX]) & _LOW)
        for register, value in zip((_RAX, _RBX, _RCX, _RDX), answer, strict=True):
            gpr[register] = value

    def _read_msr(self, _: Instruction) -> bool:
        gpr = self._registers.gpr
        value = self._msrs.read(int(gpr[_RCX]) & _LOW)
        if value is not None:
            gpr[_RAX], gpr[_RDX] = value & _LOW, value >> 32
        return value is not None

    def _write_msr(self, _: Instruction) -> bool:
        gpr = self._registers.gpr
        value = (int(gpr[_RDX]) & _LOW) << 32 | int(gpr[_RAX]) & _LOW
        return self._msrs.write(int(gpr[_RCX]) & _LOW, value)

    def _in(self, instruction: Instruction) -> bool:
        size = _SIZES.get(instruction.op0_register, 4)
        value = self._domain.ports.read_port(self._port(instruction, 1), size)
        write_gpr(self._registers, instruction.op0_register, value)
        return True

    def _out(self, instruction: Instruction) -> bool:
        size = _SIZES.get(instruction.op1_register, 4)
        value = read_gpr(self._registers, instruction.op1_register)
        self._domain.ports.write_port(self._port(instruction, 0), size, value)
        return True

    def _port(self, instruction: Instruction, operand: int) -> int:
        if instruction.op_kind(operand) == OpKind.REGISTER:
            return int(self._registers.gpr[_RDX]) & 0xFFFF
        return int(instruction.immediate(operand)) & 0xFF

    # --- control registers --------------------------------------------------------------------------
    def _clear_task_switched(self, _: Instruction) -> bool:
        self._machine.processor.load_cr(0, self._registers.cr(0) & ~_CR0_TS)
        return True

    def _move_control_register(self, instruction: Instruction) -> bool:
        if instruction.op1_kind != OpKind.REGISTER or instruction.op0_kind != OpKind.REGISTER:
            return False
        if instruction.op1_register in _CONTROL:
            value = self._control_register(_CONTROL[instruction.op1_register])
            write_gpr(self._registers, instruction.op0_register, value)
            return True
        number = _CONTROL.get(instruction.op0_register)
        return number is not None and self._write_control(
            number, read_gpr(self._registers, instruction.op1_register)
        )

    def _control_register(self, number: int) -> int:
        if number == 2:
            return self._domain.shared.cr2
        if number == 3:
            return self._domain.cpu.kernel_root
        return self._registers.cr(number)

    def _write_control(self, number: int, value: int) -> bool:
        """CR0 may change in TS only, CR4 not at all; new roots are a hypercall's business."""
        current = self._control_register(number)
        if number == 0 and not (value ^ current) & ~_CR0_TS:
            self._machine.processor.load_cr(0, value)
            return True
        if number == 2:
            self._domain.shared.store_cr2(value)
            return True
        return value == current
