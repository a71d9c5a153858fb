"""Memory by linear address, for instructions that the processor completes outside the engine."""

from __future__ import annotations

import numpy as np

from hardware_model.cpu.device_access import UnsupportedAccess
from hardware_model.executor.engine import Engine
from hardware_model.mmu import access, probe
from hardware_model.mmu.state import Kind, Status, Word

_MASK = (1 << 64) - 1
_AC = 1 << 18


def _machine_address(engine: Engine, linear: int) -> int | None:
    status, physical = probe.probe(engine.ram64, engine.mmu, np.uint64(linear & _MASK))
    return int(physical) if status == Status.OK and physical < engine.ram_bytes else None


def read(engine: Engine, linear: int, size: int) -> int | None:
    """The integer of `size` bytes at `linear`; None where no memory is mapped."""
    places = [_machine_address(engine, linear + offset) for offset in range(size)]
    if None in places:
        return None
    return int.from_bytes(bytes(int(engine.ram[place]) for place in places), "little")


class StoreFault(Exception):
    """A store that the page tables do not allow: linear address and error code of the page fault."""

    def __init__(self, address: int, error: int) -> None:
        super().__init__(address, error)
        self.address, self.error = address, error


def store(engine: Engine, linear: int, data: bytes) -> None:
    """Store `data` at `linear` as the guest does at its privilege level.

    Raises StoreFault, or UnsupportedAccess where an EPT or a device register is in the way.
    """
    registers, mmu = engine.registers, engine.mmu
    for address in {linear, (linear + len(data) - 1) & _MASK}:
        status = access.translate(
            engine.ram64,
            mmu,
            engine.counters,
            np.uint64(address),
            Kind.STORE,
            registers.cpl == 3,
            bool(registers.rflags & _AC),
        )
        engine.flush_tlb()
        if status == Status.PAGE_FAULT:
            raise StoreFault(address, int(mmu[Word.OUT_ERROR]))
        if status != Status.OK or mmu[Word.OUT_PA] >= engine.ram_bytes:
            raise UnsupportedAccess(
                f"instruction at {registers.rip:#x} stores to {address:#x}, where no memory is"
            )
    write(engine, linear, data)


def write(engine: Engine, linear: int, data: bytes) -> None:
    """Store `data` at `linear`, whose pages are known to be mapped and writable."""
    for offset, byte in enumerate(data):
        place = _machine_address(engine, linear + offset)
        if place is not None:
            engine.write_code_safe(place, bytes((byte,)))
