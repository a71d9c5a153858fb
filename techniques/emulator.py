"""The VMMs' instruction emulator: accesses to device registers, stores to traced page tables, string port I/O.

Decoding is iced-x86's; the operations are those that guests use on page tables and device registers. Anything else is
refused with a sentence that shows the instruction.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from iced_x86 import Decoder, Instruction, Mnemonic, OpKind

from hardware_model import counters as counter_table
from hardware_model.cpu import device_access
from hardware_model.cpu.device_access import UnsupportedAccess
from hardware_model.cpu.general_registers import PARTS, source_operand
from hardware_model.cpu.memory_operand import memory_operand, memory_size
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
_PAGE, _LONGEST, _ENTRY = 0x1000, 15, 8
_DF = 1 << 10
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
        self._counts = machine.counters.data  # quicker to increment
        self._memory = memory
        self._devices = devices
        self._translate = translate
        self._written = written
        self._nothing_there = nothing_there

    def fetch(self) -> bytes:
        """Up to 15 code bytes at the guest's RIP, counted as copied."""
        rip = self._registers.rip
        self._counts[_BYTES] += min(_LONGEST, _PAGE - rip % _PAGE)
        return self._code(rip)

    def decode(self) -> Instruction:
        """The instruction at the guest's RIP."""
        return _decoded(self.fetch(), self._registers.rip)

    def _begin(self, *, known: bool) -> bytes:
        """The code at RIP. A `known` instruction was decoded earlier: nothing is fetched anew."""
        if known:
            return self._code(self._registers.rip)
        self._counts[_EMULATE] += 1
        return self.fetch()

    def _code(self, rip: int) -> bytes:
        """Up to 15 bytes at `rip`, uncounted."""
        first = _PAGE - rip % _PAGE
        if first >= _LONGEST:
            return self._memory.read(self._physical(rip), _LONGEST)
        code = self._memory.read(self._physical(rip), first)
        following = self._translate(rip + first & _MASK)
        if following is not None and following < self._memory.size:
            code += self._memory.read(following, _LONGEST - first)
        return code

    def _physical(self, linear: int) -> int:
        gpa = self._translate(linear)
        if gpa is None or gpa >= self._memory.size:
            raise GuestError(f"the emulator found no guest memory at linear address {linear:#x}")
        return gpa

    def _pieces(self, linear: int, size: int) -> tuple[tuple[int, int], ...]:
        """Guest-physical address and bytes of an operand's part in each page; all of it is there, or GuestError."""
        first = _PAGE - linear % _PAGE
        if size <= first:
            return ((self._physical(linear), size),)
        following = self._physical(linear + first & _MASK)
        return (self._physical(linear), first), (following, size - first)

    def _read(self, linear: int, size: int) -> int:
        self._counts[_BYTES] += size
        parts = (self._memory.read(gpa, length) for gpa, length in self._pieces(linear, size))
        return int.from_bytes(b"".join(parts), "little")

    def _write(self, linear: int, value: int, size: int) -> None:
        self._counts[_BYTES] += size
        if size == _ENTRY and not linear % _ENTRY:
            gpa = self._physical(linear)
            self._memory.write64(gpa, value)
            self._written(gpa, size)
            return
        data = value.to_bytes(size, "little")
        for gpa, length in self._pieces(linear, size):
            self._memory.write(gpa, data[:length])
            self._written(gpa, length)
            data = data[length:]

    def complete(self, length: int) -> None:
        """Advance the guest over an instruction that was emulated."""
        registers = self._registers
        registers.rip = registers.rip + length & _MASK
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
        if access.stored is not None:
            self._devices.write(gpa, access.size, access.stored(self._registers))
        else:
            access.complete_load(self._registers, self._devices.read(gpa, access.size))
        self.complete(access.length)

    def store(self, *, known: bool = False) -> None:
        """Perform the store at RIP on guest memory."""
        _store(self._begin(known=known), self._registers.rip)(self)

    def linear_address(self, instruction: Instruction) -> int:
        """Linear address of the ModRM memory operand."""
        return memory_operand(instruction).linear(self._registers)

    def _string_store(self, instruction: Instruction) -> None:
        """One iteration of STOS or MOVS."""
        size, moves = _STRING_STORES[instruction.mnemonic]
        gpr = self._registers.gpr
        repeated = instruction.has_rep_prefix
        if repeated and not int(gpr[_RCX]):
            return self.complete(instruction.len)
        value = self._read(int(gpr[_RSI]), size) if moves else int(gpr[0])
        self._write(int(gpr[_RDI]), value & (1 << 8 * size) - 1, size)
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
            self._write(int(gpr[_RDI]), value, access.size)
        else:
            value = self._read(int(gpr[_RSI]), access.size)
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


Store = Callable[[Emulator], None]


@lru_cache(maxsize=1 << 14)
def _store(code: bytes, rip: int) -> Store:
    """What performs the store that `code` at `rip` begins with; GuestError if there is no telling."""
    instruction = Decoder(64, code, ip=rip).decode()
    mnemonic = instruction.mnemonic
    if mnemonic in _STRING_STORES:
        return lambda emulator: emulator._string_store(instruction)
    if instruction.op0_kind == OpKind.MEMORY:
        if mnemonic in STORES and _has_value(instruction):
            return _plain_store(instruction)
        if mnemonic in OPERATIONS:
            return _read_modify_write(instruction)
    raise GuestError(f"the emulator does not know the store at {rip:#x}: {instruction}")


def _has_value(instruction: Instruction) -> bool:
    return instruction.op1_kind != OpKind.REGISTER or instruction.op1_register in PARTS


def _plain_store(instruction: Instruction) -> Store:
    size, length = memory_size(instruction), instruction.len
    linear, value = memory_operand(instruction).linear, source_operand(instruction, size)

    def perform(emulator: Emulator) -> None:
        registers = emulator._registers
        emulator._write(linear(registers), value(registers), size)
        emulator.complete(length)

    return perform


def _read_modify_write(instruction: Instruction) -> Store:
    size, length = memory_size(instruction), instruction.len
    linear, operation = memory_operand(instruction).linear, OPERATIONS[instruction.mnemonic]

    def perform(emulator: Emulator) -> None:
        address = linear(emulator._registers)
        old = emulator._read(address, size)
        new = operation(emulator._registers, instruction, old, size)
        emulator._write(address, new, size)
        emulator.complete(length)

    return perform
