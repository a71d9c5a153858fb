"""The unit against a small walker written from the manual in plain Python, on random tables.

Tables do not change between the accesses of a test but for their accessed and dirty flags, so that
an access must come to the same with warm caches as with cold ones, memory included.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hardware_model.counters import index
from hardware_model.mmu.geometry import TlbArray, TlbGeometry
from hardware_model.mmu.state import Kind, Status, Word
from hardware_model.mmu.unit import Mmu

RAM_BYTES = 36 * 4096
MAXPHYADDR = 40
FRAME = 0x000F_FFFF_FFFF_F000
ANY_SIZE = (TlbArray(("4k",), 4, 4), TlbArray(("2m",), 4, 4), TlbArray(("1g",), 4, 4))
BARE = TlbGeometry("bare", l1i=ANY_SIZE, l1d=ANY_SIZE)
WARM = replace(BARE, l2=ANY_SIZE, pml4e=2, pdpte=4, pde=4, nested=8)
RESERVED = FRAME & ~((1 << MAXPHYADDR) - 1)


class Fault(Exception):
    """A walk that failed: status, and error code or guest-physical address and qualification."""


@dataclass
class Reference:
    """One uncached access, as SDM vol. 3A chapter 4 and vol. 3C section 28.3 tell it."""

    ram: npt.NDArray[np.uint64]
    cr0: int
    cr4: int
    efer: int
    cr3: int
    eptp: int
    references: int = 0

    def read(self, address):
        self.references += 1
        return int(self.ram[address // 8]) if address < RAM_BYTES else (1 << 64) - 1

    def mark(self, address, bits):
        if address < RAM_BYTES:
            self.ram[address // 8] |= np.uint64(bits)

    def ept(self, gpa, read, write, fetch, final):
        if not self.eptp:
            return gpa, 39
        needed = read | write << 1 | fetch << 2
        enabled, allowed, table = self.eptp >> 6 & 1, 7, self.eptp & FRAME
        for shift in (39, 30, 21, 12):
            where = table + (gpa >> shift & 511) * 8
            entry = self.read(where)
            if entry & 7 == 0:
                raise Fault(Status.EPT_VIOLATION, gpa, needed | 1 << 7 | final << 8)
            leaf = shift == 12 or entry >> 7 & 1
            bad = entry & 7 in (2, 6) or entry & RESERVED or (shift == 39 and entry & 0xF8)
            if leaf:
                bad = bad or entry >> 3 & 7 in (2, 3, 7) or entry & FRAME & ((1 << shift) - 1)
            elif entry & 0x78:
                bad = True
            if bad:
                raise Fault(Status.EPT_MISCONFIGURATION, gpa)
            allowed &= entry
            if leaf and allowed & needed != needed:
                raise Fault(Status.EPT_VIOLATION, gpa, needed | allowed << 3 | 1 << 7 | final << 8)
            if enabled:
                self.mark(where, 1 << 8 | (leaf and write) << 9)
            if leaf:
                inside = (1 << shift) - 1
                return entry & FRAME & ~inside | gpa & inside, shift
            table = entry & FRAME
        raise AssertionError

    def page_fault(self, cause, kind, user):
        fetched = kind == 2 and (self.efer >> 11 & 1 or self.cr4 >> 20 & 1)
        return Fault(Status.PAGE_FAULT, cause | (kind == 1) << 1 | user << 2 | fetched << 4)

    def forbidden(self, kind, user, ac, writable, user_page, nx):
        if user and not user_page:
            return True
        if not user and user_page:
            if kind == 2 and self.cr4 >> 20 & 1:
                return True
            if kind != 2 and self.cr4 >> 21 & 1 and not ac:
                return True
        if kind == 1:
            return not writable and (user or self.cr0 >> 16 & 1)
        return kind == 2 and nx

    def access(self, va, kind, user, ac):
        writable, user_page, nx = True, True, False
        table, update = self.cr3 & FRAME, self.eptp >> 6 & 1
        for shift in (39, 30, 21, 12):
            gpa = table + (va >> shift & 511) * 8
            where, _ = self.ept(gpa, 1, update, 0, 0)
            entry = self.read(where)
            if not entry & 1:
                raise self.page_fault(0, kind, user)
            large = entry >> 7 & 1 and shift > 12
            bad = entry & RESERVED or (entry >> 63 and not self.efer >> 11 & 1)
            if bad or (large and (shift == 39 or entry & FRAME & ((1 << shift) - 1) & ~0x1000)):
                raise self.page_fault(0b1001, kind, user)
            writable, user_page = writable and entry >> 1 & 1, user_page and entry >> 2 & 1
            nx = nx or entry >> 63
            leaf = shift == 12 or large
            if leaf and self.forbidden(kind, user, ac, writable, user_page, nx):
                raise self.page_fault(1, kind, user)
            flags = 0x20 | (leaf and kind == 1) << 6
            if entry & flags != flags:
                before = self.references
                self.ept(gpa, 1, 1, 0, 0)  # the update needs write permission, not another walk
                self.references = before
                self.mark(where, flags)
            if leaf:
                inside = (1 << shift) - 1
                gpa = entry & FRAME & ~inside | va & inside
                pa, ept_shift = self.ept(gpa, kind == 0, kind == 1, kind == 2, 1)
                return pa, gpa, min(shift, ept_shift)
            table = entry & FRAME
        raise AssertionError


GUEST_FLAGS = [0x7] * 40 + [0x27, 0x67, 0x5, 0x3, 0x1, 0x0, 0x25, 0x107]
GUEST_ODD = [0] * 80 + [1 << 63, 1 << 63, 1 << 45, 1 << 51, 1 << 62]
LEAF_FLAGS = [0x37] * 60 + [0x137, 0x337, 0x35, 0x31, 0x33, 0x34, 0x32, 0x36, 0x0, 0x1F, 0x3F, 0x07]
TABLE_FLAGS = [0x7] * 60 + [0x5, 0x3, 0x1, 0x107, 0xF, 0x0, 0x87, 1 << 45 | 7]
FRAMES = 32


def random_memory(seed):
    """Guest tables that lead to one another in frames 0 to 31, EPT tables in frames 32 to 35."""
    generator = np.random.default_rng(seed)

    def pick(alternatives, size):
        return generator.choice(np.array(alternatives, np.uint64), size)

    ram = np.zeros(RAM_BYTES // 8, np.uint64)
    size = FRAMES * 512
    ram[:size] = generator.integers(0, FRAMES, size).astype(np.uint64) << np.uint64(12)
    large = generator.random(size) < 0.15
    aligned = pick([0x80, 0x4000_0080, 0x4020_0080, 0x4000_1080, 0x4000_2080], size)
    ram[:size][large] = aligned[large]
    ram[:size] |= pick(GUEST_FLAGS, size) | pick(GUEST_ODD, size)
    root, pdpt, directory, table = (ram[(FRAMES + n) * 512 :][:512] for n in range(4))
    numbers = np.arange(512, dtype=np.uint64)
    table[:] = numbers % np.uint64(FRAMES) << np.uint64(12) | pick(LEAF_FLAGS, 512)
    directory[:] = numbers << np.uint64(21) | np.uint64(0x80) | pick(LEAF_FLAGS, 512)
    pdpt[:] = numbers << np.uint64(30) | np.uint64(0x80) | pick(LEAF_FLAGS, 512)
    root[0] = np.uint64((FRAMES + 1) << 12) | pick(TABLE_FLAGS, 1)[0]
    pdpt[0] = np.uint64((FRAMES + 2) << 12) | pick(TABLE_FLAGS, 1)[0]
    if generator.random() < 0.7:
        directory[0] = np.uint64((FRAMES + 3) << 12) | pick(TABLE_FLAGS, 1)[0]
    return ram


def machine(geometry, seed, control, eptp, unit=Mmu):
    """A unit over random memory."""
    write_protect, smep, smap, no_execute, root = control
    mmu = unit(random_memory(seed), geometry)
    mmu[Word.CR0] = 1 << 31 | write_protect << 16 | 1
    mmu[Word.CR4] = 1 << 5 | smep << 20 | smap << 21
    mmu[Word.EFER] = 0x500 | no_execute << 11
    mmu[Word.CR3] = root << 12
    mmu[Word.EPTP] = eptp
    return mmu


def check(mmu, va, kind, user, ac):
    """One access by both; returns the references of the manual's walk, None after a fault."""
    registers = [mmu[word] for word in (Word.CR0, Word.CR4, Word.EFER, Word.CR3, Word.EPTP)]
    reference = Reference(mmu.ram.copy(), *registers)
    status = mmu.translate(va, kind, user, ac)
    outcome = (status,)
    try:
        expected = (Status.OK, *reference.access(va, int(kind), user, ac))
        outcome = (status, mmu[Word.OUT_PA], mmu[Word.OUT_GPA], mmu[Word.OUT_SHIFT])
    except Fault as fault:
        expected = fault.args
        if status == Status.PAGE_FAULT:
            outcome = (status, mmu[Word.OUT_ERROR])
        elif status == Status.EPT_VIOLATION:
            outcome = (status, mmu[Word.OUT_GPA], mmu[Word.OUT_QUALIFICATION])
        elif status == Status.EPT_MISCONFIGURATION:
            outcome = (status, mmu[Word.OUT_GPA])
    assert outcome == expected
    assert (mmu.ram == reference.ram).all()
    return reference.references if status == Status.OK else None


seeds = st.integers(0, 1 << 32)
controls = st.tuples(*[st.booleans()] * 4, st.integers(0, FRAMES - 1))
eptps = st.sampled_from([0, FRAMES << 12 | 0x1E, FRAMES << 12 | 0x5E])
digits = st.integers(0, 2)
addresses = st.builds(
    lambda a, b, c, d, low: a << 39 | b << 30 | c << 21 | d << 12 | low,
    *[digits] * 4,
    st.integers(0, 4095),
)
accesses = st.lists(
    st.tuples(addresses, st.sampled_from(list(Kind)), st.booleans(), st.booleans()),
    min_size=1,
    max_size=10,
)
few = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@few
@given(seeds, controls, eptps, accesses)
def test_every_uncached_access_agrees_with_the_manual(seed, control, eptp, walks):
    mmu = machine(BARE, seed, control, eptp)
    for va, kind, user, ac in walks:
        mmu.flush_everything()
        mmu.counters[:] = 0
        references = check(mmu, va, kind, user, ac)
        if references is not None:
            assert mmu.counters[index("walk.reference")] == references


@few
@given(seeds, controls, eptps, accesses)
def test_caches_change_no_result(seed, control, eptp, walks):
    mmu = machine(WARM, seed, control, eptp)
    for va, kind, user, ac in walks:
        check(mmu, va, kind, user, ac)
