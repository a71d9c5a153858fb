"""Guests under the shadow pager on a processor with an unlimited TLB, and without a VMM."""

from __future__ import annotations

import numpy as np
import pytest

from hardware_model import counters
from hardware_model.mmu.paging import PageTables
from techniques.shadow import DeviceAccess, EmulateWrite, Filled, GuestFault, ShadowPager

from .processors import Frames, Memory, Native, PageFaultError, Processor, Registers

MIB = 1 << 20


class Shadowed:
    """The guest under a VMM that has nothing but the shadow pager."""

    def __init__(self, words, registers, policy, base, pool, prefetch):
        guest_words = words.size
        self.words = np.zeros((base >> 3) + guest_words, np.uint64)
        self.words[base >> 3 :] = words
        self.memory = Memory(self.words, base, guest_words * 8)
        self.registers = registers
        self.processor = Processor(self.words, registers)
        self.frames = Frames(pool)
        self.counters = counters.new()
        self.pager = ShadowPager(
            guest=self.memory,
            machine=Memory(self.words),
            frames=self.frames,
            tlb=self.processor,
            counters=self.counters,
            policy=policy,
            prefetch=prefetch,
        )
        self.pager.set_registers(**vars(registers))
        self.processor.load_cr3(self.pager.root)

    def counted(self, *names):
        values = counters.as_dict(self.counters, [f"mmu.{name}" for name in names])
        return values[f"mmu.{names[0]}"] if len(names) == 1 else tuple(values.values())

    def access(self, va, kind="load", user=False, ac=False, value=None):
        for _ in range(4):
            try:
                gpa = self.processor.access(va, kind, user, ac) - self.memory.base
            except PageFaultError as fault:
                result = self.pager.on_page_fault(va, fault.code, ac)
            else:
                if value is not None:
                    self.memory.write64(gpa, value)
                return "ok", gpa
            match result:
                case GuestFault(error_code=code, va=address):
                    assert address == va
                    return "fault", code
                case DeviceAccess(gpa=gpa):
                    return "device", gpa
                case EmulateWrite(gpa=gpa):
                    assert kind == "store"
                    if value is not None:
                        self.memory.write64(gpa, value)
                    self.pager.guest_table_written(gpa, 8)
                    return "ok", gpa
                case Filled():
                    pass
        raise AssertionError(f"no progress at {va:#x}")

    def poke(self, gpa, value):
        """The VMM stores for the guest."""
        self.memory.write64(gpa, value)
        self.pager.guest_table_written(gpa, 8)

    def invlpg(self, va):
        self.pager.on_invlpg(va)

    def load_registers(self, registers):
        """What the guest's MOVs to control registers, in this order, come to."""
        old, self.registers = self.registers, registers
        self.processor.guest = registers
        if registers.efer != old.efer:
            self.pager.on_efer_write(registers.efer)
        for number in (0, 4):
            if getattr(registers, f"cr{number}") != getattr(old, f"cr{number}"):
                self.pager.on_cr_write(number, getattr(registers, f"cr{number}"))
        if registers.cr3 != old.cr3:
            self.pager.on_cr3_write(registers.cr3)
        self.processor.load_cr3(self.pager.root)

    def load_cr3(self, cr3):
        """MOV to CR3, also of the same value."""
        self.registers = self.processor.guest = Registers(
            self.registers.cr0, cr3, self.registers.cr4, self.registers.efer
        )
        self.pager.on_cr3_write(cr3)
        self.processor.load_cr3(self.pager.root)

    def load(self, va):
        """Guest-physical address that a supervisor's load reaches."""
        outcome, gpa = self.access(va)
        assert outcome == "ok"
        return gpa

    def store(self, va, value):
        """A supervisor's store."""
        assert self.access(va, "store", value=value)[0] == "ok"

    def guest_words(self):
        return self.words[self.memory.base >> 3 :]


class World:
    """A guest of `guest_bytes` with an empty memory, to be set up before `start`."""

    def __init__(self, guest_bytes=8 * MIB):
        self.words = np.zeros(guest_bytes // 8, np.uint64)
        self.registers = Registers()

    def __setitem__(self, gpa, value):
        self.words[gpa >> 3] = value

    def tables(self, base):
        """An address space with its tables from `base` on; the last one made is the active one."""
        tables = PageTables(self.words, base, 64 * 4096)
        self.registers.cr3 = tables.root
        return tables

    def start(self, policy, base=2 * MIB, pool=200, prefetch=1):
        return Shadowed(self.words, self.registers, policy, base, pool, prefetch)

    def native(self):
        return Native(self.words.copy(), self.registers)


@pytest.fixture(scope="session")
def new_world():
    """Makes guests."""
    return World


@pytest.fixture(params=["trace", "virtual-tlb", "unsync"])
def policy(request):
    """Each policy."""
    return request.param
