"""The VMMs' instruction emulator: accesses to device registers, stores to traced page tables, string port I/O.

Decoding is iced-x86's; the operations are those that guests use on page tables and device registers. Anything else is
refused with a sentence that shows the instruction.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from iced_x86 import Decoder, Instruction, Mnemonic, OpKind, Register

from hardware_model import counters as counter_table
from hardware_model.cpu import device_access
from hardware_model.cpu.device_access import UnsupportedAccess, read_gpr
from hardware_model.machine import Machine
from hardware_model.vmx.qualifications import IoInstruction
from techniques.alu import OPERATIONS, STORES
from techniques.guest import GuestMemory
from techniques.technique import GuestError
from techniques.virtual_platform import VirtualPlatform

Translate = Callable[[int], int | None]
Written = Callable[[int, int], None]
_EMULATE, _BYTES = counter_table.index("emulate"), counter_table.index("emulate.bytes")
_MASK = (1 << 64) - 1
_DF = 1 << 10
_SEGMENT_BASES = {Register.FS: "fs", Register.GS: "gs"}
_RCX, _RSI, _RDI = 1, 6, 7


@lru_cache(maxsize=1 << 14)
def _decoded(code: bytes, rip: int) -> Instruction:
    return Decoder(64, code, ip=rip).decode()


class NothingToExecute(Exception):
    """The guest fetches from where it has nothing: the bus reads ones there, which are no instruction (#UD)."""


class Emulator:
    """Completes instructions for one guest.

    `translate` maps linear to guest-physical addresses by the guest's tables; `written(gpa, size)` is told of stores,
    `nothing_there(gpa)` of accesses to where the guest has neither memory nor a device.
    """

    def __init__(
        self,
        machine: Machine,
        memory: GuestMemory,
        devices: VirtualPlatform,
        translate: Translate,
        written: Written,
        nothing_there: Callable[[int], None],
    ) -> None:
        self._machine = machine
        self._registers = machine.registers
        self._counters = machine.counters
        self._memory = memory
        self._devices = devices
        self._translate = translate
        self._written = written
        self._nothing_there = nothing_there

    def fetch(self) -> bytes:
        """Up to 15 code bytes at the guest's RIP, counted as copied."""
        self._counters[_BYTES] += min(15, 0x1000 - (self._registers.rip & 0xFFF))
        return self._code()

    def decode(self) -> Instruction:
        """The instruction at the guest's RIP."""
        return _decoded(self.fetch(), self._registers.rip)

    def _begin(self, *, known: bool) -> bytes:
        """The code at RIP. A `known` instruction was decoded earlier: nothing is fetched anew."""
        if known:
            return self._code()
        self._counters[_EMULATE] += 1
        return self.fetch()

    def _code(self) -> bytes:
        """Up to 15 bytes at RIP, uncounted."""
        rip = self._registers.rip
        first = min(15, 0x1000 - (rip & 0xFFF))
        code = self._memory.read(self._physical(rip), first)
        following = self._translate((rip + first) & _MASK) if first < 15 else None
        if following is not None and following < self._memory.size:
            code += self._memory.read(following, 15 - first)
        return code

    def _physical(self, linear: int) -> int:
        gpa = self._translate(linear)
        if gpa is None or gpa >= self._memory.size:
            raise GuestError(f"the emulator found no guest memory at linear address {linear:#x}")
        return gpa

    def _read(self, linear: int, size: int) -> bytes:
        self._counters[_BYTES] += size
        return self._memory.read(self._physical(linear), size)

    def _write(self, linear: int, data: bytes) -> None:
        self._counters[_BYTES] += len(data)
        gpa = self._physical(linear)
        self._memory.write(gpa, data)
        self._written(gpa, len(data))

    def complete(self, length: int) -> None:
        """Advance the guest over an instruction that was emulated."""
        self._registers.rip = (self._registers.rip + length) & _MASK
        self._machine.retire_emulated()

    def device_access(self, gpa: int, *, known: bool = False) -> None:
        """The load or store at RIP touches the device register at `gpa`; NothingToExecute if its fetch does."""
        if not self._devices.devices.bus.claims(gpa):
            self._nothing_there(gpa)
            if not known and self._translate(self._registers.rip) == gpa:
                raise NothingToExecute
        code = self._begin(known=known)
        try:
            access = device_access.decode(code, self._registers.rip)
        except UnsupportedAccess as error:
            raise GuestError(str(error)) from None
        if access.write:
            self._devices.write(gpa, access.size, access.stored_value(self._registers))
        else:
            access.complete_load(self._registers, self._devices.read(gpa, access.size))
        self.complete(access.length)

    def store(self, *, known: bool = False) -> None:
        """Perform the store at RIP on guest memory."""
        instruction = _decoded(self._begin(known=known), self._registers.rip)
        operation = OPERATIONS.get(instruction.mnemonic)
        if instruction.mnemonic in _STRING_STORES:
            self._string_store(instruction)
        elif instruction.mnemonic in STORES and instruction.op0_kind == OpKind.MEMORY:
            self._plain_store(instruction)
        elif operation is not None and instruction.op0_kind == OpKind.MEMORY:
            self._read_modify_write(instruction)
        else:
            raise GuestError(
                f"the emulator does not know the store at {self._registers.rip:#x}: {instruction}"
            )

    def linear_address(self, instruction: Instruction) -> int:
        """Linear address of the ModRM memory operand."""
        if instruction.is_ip_rel_memory_operand:
            return int(instruction.ip_rel_memory_address)
        registers, address = self._registers, int(instruction.memory_displacement)
        if instruction.memory_base != Register.NONE:
            address += read_gpr(registers, instruction.memory_base)
        if instruction.memory_index != Register.NONE:
            address += read_gpr(registers, instruction.memory_index) * int(
                instruction.memory_index_scale
            )
        segment = _SEGMENT_BASES.get(instruction.memory_segment)
        if segment is not None:
            address += registers.segment(segment).base
        return address & _MASK

    def _source(self, instruction: Instruction, size: int) -> int:
        if instruction.op1_kind == OpKind.REGISTER:
            return read_gpr(self._registers, instruction.op1_register)
        return int(instruction.immediate(1)) & (1 << 8 * size) - 1

    def _plain_store(self, instruction: Instruction) -> None:
        size = device_access._memory_size(instruction)
        linear = self.linear_address(instruction)
        self._write(linear, self._source(instruction, size).to_bytes(size, "little"))
        self.complete(instruction.len)

    def _read_modify_write(self, instruction: Instruction) -> None:
        size = device_access._memory_size(instruction)
        linear = self.linear_address(instruction)
        old = int.from_bytes(self._read(linear, size), "little")
        new = OPERATIONS[instruction.mnemonic](self._registers, instruction, old, size)
        self._write(linear, new.to_bytes(size, "little"))
        self.complete(instruction.len)

    def _string_store(self, instruction: Instruction) -> None:
        """One iteration of STOS or MOVS."""
        size, moves = _STRING_STORES[instruction.mnemonic]
        gpr = self._registers.gpr
        repeated = instruction.has_rep_prefix
        if repeated and not int(gpr[_RCX]):
            return self.complete(instruction.len)
        data = (
            self._read(int(gpr[_RSI]), size)
            if moves
            else (int(gpr[0]) & _MASK).to_bytes(8, "little")[:size]
        )
        self._write(int(gpr[_RDI]), data)
        self._advance_string(instruction, size, source=moves, target=True)
        return None

    def _advance_string(
        self, instruction: Instruction, size: int, *, source: bool, target: bool
    ) -> None:
        """Move the pointers; a repeated instruction stays at RIP until RCX is 0, each iteration retiring once."""
        gpr = self._registers.gpr
        step = -size if self._registers.rflags & _DF else size
        for number, moves in ((_RSI, source), (_RDI, target)):
            if moves:
                gpr[number] = (int(gpr[number]) + step) & _MASK
        if not instruction.has_rep_prefix:
            return self.complete(instruction.len)
        left = gpr[_RCX] = (int(gpr[_RCX]) - 1) & _MASK
        return self.complete(0 if left else instruction.len)

    def string_port(self, access: IoInstruction) -> None:
        """One iteration of INS or OUTS."""
        instruction = self.decode()
        gpr = self._registers.gpr
        if access.read:
            value = self._devices.read_port(access.port, access.size)
            self._write(int(gpr[_RDI]), value.to_bytes(access.size, "little"))
        else:
            value = int.from_bytes(self._read(int(gpr[_RSI]), access.size), "little")
            self._devices.write_port(access.port, access.size, value)
        self._advance_string(instruction, access.size, source=not access.read, target=access.read)


_STRING_STORES = {
    Mnemonic.STOSB: (1, False),
    Mnemonic.STOSW: (2, False),
    Mnemonic.STOSD: (4, False),
    Mnemonic.STOSQ: (8, False),
    Mnemonic.MOVSB: (1, True),
    Mnemonic.MOVSW: (2, True),
    Mnemonic.MOVSD: (4, True),
    Mnemonic.MOVSQ: (8, True),
}
