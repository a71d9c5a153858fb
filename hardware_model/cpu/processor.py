"""Instructions that the event layer leaves to Python: their effect on the bare processor.

Called at an intercept with RIP on the instruction; answer 1 means the instruction completed, 0 that
an exception was raised.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from hardware_model import counters as counter_table
from hardware_model.cpu import control_registers, device_access, fetch_ahead, string_ports
from hardware_model.cpu.linear_access import StoreFault
from hardware_model.cpu.model_specific_registers import ModelSpecificRegisters
from hardware_model.cpuid import cpuid
from hardware_model.devices.bus import Bus
from hardware_model.executor import words as W
from hardware_model.executor.engine import Engine
from hardware_model.executor.words import Intercept
from hardware_model.mmu import invalidation

COMPLETED, FAULTED = 1, 0
_GP, _PF, _UD = 13, 14, 6
_INJECT_EXCEPTION = 1 << 31 | 3 << 8
_PORT_IN, _PORT_OUT = counter_table.index("port.in"), counter_table.index("port.out")
_MMIO_READ, _MMIO_WRITE = counter_table.index("mmio.read"), counter_table.index("mmio.write")


class Processor:
    """The Python side of the bare processor."""

    def __init__(self, engine: Engine, bus: Bus) -> None:
        self._engine = engine
        self._counts = engine.counters.data
        self._words = engine.word_view
        self._mmu: memoryview = engine.mmu.data
        self._registers = engine.registers
        self._bus = bus
        self.msrs = ModelSpecificRegisters(engine)
        self.merge_control: Callable[[int, int], int] = lambda number, value: value
        self.shown_control: Callable[[int, int], int] = lambda number, value: value
        self._instructions: dict[int, Callable[[], int]] = {
            Intercept.CPUID: self._cpuid,
            Intercept.MSR: self._msr,
            Intercept.READ_CR0: self._read_control,
            Intercept.WRITE_CR0: self._write_control,
            Intercept.WRITE_CR4: self._write_control,
            Intercept.INVD: lambda: COMPLETED,
            Intercept.WBINVD: lambda: COMPLETED,
            Intercept.RDPMC: lambda: self.raise_exception(_GP, 0),
            Intercept.XSETBV: lambda: self.raise_exception(_UD, None),
        }

    def use_bus(self, bus: Bus) -> None:
        """Reach the devices on `bus` from now on."""
        self._bus = bus

    def raise_exception(self, vector: int, error: int | None) -> int:
        """Raise an exception at the instruction at hand."""
        self._words[W.INJECT] = _INJECT_EXCEPTION | vector | (0 if error is None else 1 << 11)
        self._words[W.INJECT_ERROR] = error or 0
        return FAULTED

    def fetch_ahead(self) -> int:
        """Where to end the block at RIP, see `fetch_ahead.instructions_before`."""
        self.load_mmu_registers()
        return fetch_ahead.instructions_before(self._engine)

    def execute(self) -> int:
        """Complete the instruction of intercept EVENT_CODE."""
        return self._instructions[self._words[W.EVENT_CODE]]()

    def _cpuid(self) -> int:
        gpr = self._registers.gpr
        eax, ebx, ecx, edx = cpuid(gpr[0] & 0xFFFFFFFF, gpr[1] & 0xFFFFFFFF)
        gpr[0], gpr[3], gpr[1], gpr[2] = eax, ebx, ecx, edx
        return COMPLETED

    def _msr(self) -> int:
        gpr = self._registers.gpr
        number = gpr[1] & 0xFFFFFFFF
        if self._engine.intercepted_instruction()[1] == 0x30:  # WRMSR
            value = (gpr[2] & 0xFFFFFFFF) << 32 | gpr[0] & 0xFFFFFFFF
            return COMPLETED if self.write_msr(number, value) else self.raise_exception(_GP, 0)
        answer = self.msrs.read(number)
        if answer is None:
            return self.raise_exception(_GP, 0)
        gpr[0], gpr[2] = answer & 0xFFFFFFFF, answer >> 32
        return COMPLETED

    def write_msr(self, number: int, value: int) -> bool:
        """WRMSR; False means #GP(0)."""
        return self.msrs.write(number, value)

    def _read_control(self) -> int:
        shown = self.shown_control(0, self._registers.cr(0))
        try:
            control_registers.store_machine_status(self._engine, shown)
        except StoreFault as fault:
            self._registers.store_cr2(fault.address)
            self._words[W.FAULT_ADDRESS] = fault.address
            return self.raise_exception(_PF, fault.error)
        return COMPLETED

    def _write_control(self) -> int:
        try:
            target = control_registers.decode_write(self._engine)
        except control_registers.OperandFault as fault:
            self._registers.store_cr2(fault.address)
            return self.raise_exception(_PF, 0)
        if target is None:
            return self.raise_exception(_UD, None)
        number, value = target
        if not control_registers.valid(number, value, self._registers):
            return self.raise_exception(_GP, 0)
        self.load_cr(number, self.merge_control(number, value))
        return COMPLETED

    def load_cr(self, number: int, value: int) -> None:
        """Load CR0, CR3 or CR4 with a legal value, with the TLB effects of MOV to CR."""
        old = self._registers.cr(number)
        if number == 3:
            self.load_mmu_registers()
            invalidation.write_cr3(self._engine.mmu, self._engine.counters, np.uint64(value))
        self._engine.set_cr(number, value)
        if control_registers.flushes_tlb(number, old, value):
            self.load_mmu_registers()
            invalidation.flush_vpid(self._engine.mmu, self._engine.counters, self._engine.mmu[5])
        self._engine.flush_tlb()

    def load_dr(self, number: int, value: int) -> None:
        """Load a debug register, as MOV to it does."""
        self._engine.set_dr(number, value)

    def load_mmu_registers(self) -> None:
        """Give the MMU the current paging registers, as native code does before each walk."""
        mmu, registers = self._mmu, self._registers
        mmu[0], mmu[1], mmu[2], mmu[3] = (
            registers.cr(0),
            registers.cr(3),
            registers.cr(4),
            registers.efer,
        )

    def port_access(self) -> int:
        """IN or OUT that the bare machine performs."""
        w = self._words
        port, size = w[W.EVENT_PHYSICAL], w[W.EVENT_SIZE]
        code = self._engine.instruction_bytes()
        string = string_ports.is_string(code)
        if w[W.EVENT_WRITE]:
            self._counts[_PORT_OUT] += 1
            self._bus.write_port(port, size, w[W.EVENT_VALUE])
        else:
            self._counts[_PORT_IN] += 1
            value = self._bus.read_port(port, size)
            if string:
                string_ports.store(self._engine, value)
            else:
                gpr = self._registers.gpr
                keep = 0 if size == 4 else gpr[0] >> 8 * size << 8 * size
                gpr[0] = keep | value
        return string_ports.advance(self._engine, code) if string else COMPLETED

    def device_access(self) -> int:
        """Load or store of a device register that the bare machine performs."""
        code = self._engine.intercepted_instruction()
        access = device_access.decode(code, self._registers.rip)
        address = self._words[W.EVENT_PHYSICAL]
        if access.stored is not None:
            self._counts[_MMIO_WRITE] += 1
            self._bus.write(address, access.size, access.stored(self._registers))
        else:
            self._counts[_MMIO_READ] += 1
            access.complete_load(self._registers, self._bus.read(address, access.size))
        return COMPLETED
