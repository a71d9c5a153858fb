"""Rules of the control registers in long mode (Intel SDM vol. 3A section 2.5), and decoding of the
instructions that write them.
"""

from __future__ import annotations

from typing import Protocol

from iced_x86 import Decoder, Instruction, Mnemonic, OpKind, Register

from hardware_model.cpu import linear_access
from hardware_model.cpu.general_registers import read_gpr, write_gpr
from hardware_model.cpu.memory_operand import memory_operand
from hardware_model.executor.engine import Engine
from hardware_model.mmu.paging import Cr0, Cr4

CR0_WRITABLE = 0xE005003F
CR4_WRITABLE = 0x003006FF  # VME PVI TSD DE PSE PAE MCE PGE OSFXSR OSXMMEXCPT SMEP SMAP
CR0_TS = 1 << 3
CR0_NW, CR0_CD = 1 << 29, 1 << 30
_CR4_FLUSHING = int(Cr4.PGE | Cr4.PAE | Cr4.SMEP | Cr4.SMAP | 1 << 4)  # PSE
_PE, _PG, _WP, _PAE = int(Cr0.PE), int(Cr0.PG), int(Cr0.WP), int(Cr4.PAE)
_MSW_WRITABLE = 0xF
_CONTROL = {Register.CR0: 0, Register.CR3: 3, Register.CR4: 4}


class PagingRegisters(Protocol):
    """What the checks look at."""

    def cr(self, number: int) -> int:
        """A control register."""

    @property
    def efer(self) -> int:
        """IA32_EFER."""


def valid(number: int, value: int, registers: PagingRegisters) -> bool:
    """Whether MOV to CR `number` of `value` is allowed; False means #GP(0)."""
    if number == 0:
        return _cr0_valid(value)
    if number == 3:
        return not value >> 40
    return not value & ~CR4_WRITABLE and bool(value & _PAE)


def _cr0_valid(value: int) -> bool:
    if value & ~CR0_WRITABLE:
        return False
    if value & CR0_NW and not value & CR0_CD:
        return False
    return bool(value & _PE and value & _PG)  # the model has no mode but long mode


def flushes_tlb(number: int, old: int, new: int) -> bool:
    """Whether changing CR `number` flushes every TLB entry, global ones included (SDM vol. 3A section 4.10.4.1)."""
    if number == 0:
        return bool((old ^ new) & (_PG | _WP))
    return number == 4 and bool((old ^ new) & _CR4_FLUSHING)


class OperandFault(Exception):
    """The memory operand of an intercepted instruction is not mapped: a page fault at `address`."""

    def __init__(self, address: int) -> None:
        super().__init__(address)
        self.address = address


def decode_write(engine: Engine) -> tuple[int, int] | None:
    """(register, value) that the intercepted MOV to CR, LMSW or CLTS writes; None for another instruction."""
    instruction = Decoder(64, engine.instruction_bytes(), ip=engine.registers.rip).decode()
    if instruction.mnemonic == Mnemonic.LMSW and instruction.op_kind(0) == OpKind.MEMORY:
        address = memory_operand(instruction).linear(engine.registers)
        value = linear_access.read(engine, address, 2)
        if value is None:
            raise OperandFault(address)
        return 0, machine_status_loaded(engine.registers.cr(0), value)
    return written_value(instruction, engine.registers)


def machine_status_loaded(cr0: int, value: int) -> int:
    """CR0 after LMSW of `value`: bits 3:0, but LMSW cannot clear PE."""
    return cr0 & ~_MSW_WRITABLE | value & _MSW_WRITABLE | cr0 & 1


def written_value(instruction: Instruction, registers: object) -> tuple[int, int] | None:
    """As decode_write, for an instruction already decoded."""
    cr0 = registers.cr(0)  # type: ignore[attr-defined]
    if instruction.mnemonic == Mnemonic.CLTS:
        return 0, cr0 & ~CR0_TS
    if instruction.mnemonic == Mnemonic.LMSW and instruction.op_kind(0) == OpKind.REGISTER:
        return 0, machine_status_loaded(cr0, read_gpr(registers, instruction.op0_register))  # type: ignore[arg-type]
    if instruction.mnemonic == Mnemonic.MOV and instruction.op0_register in _CONTROL:
        return _CONTROL[instruction.op0_register], read_gpr(registers, instruction.op1_register)  # type: ignore[arg-type]
    return None


def store_machine_status(engine: Engine, cr0: int) -> None:
    """Complete SMSW, met at an intercept of CR0 reads; the guest is to see `cr0`.

    Raises StoreFault for a memory operand that the guest may not write.
    """
    instruction = Decoder(64, engine.instruction_bytes(), ip=engine.registers.rip).decode()
    if instruction.op_kind(0) == OpKind.REGISTER:
        write_gpr(engine.registers, instruction.op0_register, cr0)
        return
    address = memory_operand(instruction).linear(engine.registers)
    linear_access.store(engine, address, (cr0 & 0xFFFF).to_bytes(2, "little"))
