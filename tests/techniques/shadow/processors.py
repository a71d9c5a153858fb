"""Memory, and two processors that walk page tables in it, written from the manual."""

from __future__ import annotations

from dataclasses import dataclass

P, RW, US, A, D, PS, G, NX = 1, 2, 4, 0x20, 0x40, 0x80, 0x100, 1 << 63
FRAME = 0x000F_FFFF_FFFF_F000
WP, PGE, SMEP, SMAP, NXE = 1 << 16, 1 << 7, 1 << 20, 1 << 21, 1 << 11
RESERVED = FRAME & ~((1 << 40) - 1)


@dataclass
class Registers:
    """Paging registers with the boot values of the model's own images."""

    cr0: int = 0x80010033
    cr3: int = 0
    cr4: int = 0x6A0
    efer: int = 0xD01


class PageFaultError(Exception):
    """A walk that failed, with its error code."""

    def __init__(self, code: int) -> None:
        super().__init__(hex(code))
        self.code = code


def denies(registers: Registers, rights: int, kind: str, user: bool, ac: bool) -> bool:
    """SDM vol. 3A section 4.6.1, for rights in the bits of an entry."""
    if user and not rights & US:
        return True
    if kind == "fetch":
        return bool(rights & NX or (not user and rights & US and registers.cr4 & SMEP))
    if not user and rights & US and registers.cr4 & SMAP and not ac:
        return True
    return kind == "store" and not rights & RW and (user or bool(registers.cr0 & WP))


def error_code(registers: Registers, cause: int, kind: str, user: bool) -> int:
    """SDM vol. 3A section 4.7."""
    fetch = kind == "fetch" and (registers.efer & NXE or registers.cr4 & SMEP)
    return cause | (kind == "store") << 1 | user << 2 | bool(fetch) << 4


def reserved(registers: Registers, entry: int, shift: int) -> bool:
    """Whether a present entry has reserved bits set."""
    if entry & RESERVED or (entry & NX and not registers.efer & NXE):
        return True
    if shift == 12 or not entry & PS:
        return False
    return shift == 39 or bool(entry & FRAME & ((1 << shift) - 1) & ~0x1000)


class Memory:
    """Words of machine memory; a guest's memory if `base` is not 0."""

    def __init__(self, words, base=0, size=None):
        self.base = base
        self.size = size or words.size * 8
        self.words = words[base >> 3 : (base + self.size) >> 3]

    def read64(self, address):
        return int(self.words[address >> 3])

    def write64(self, address, value):
        self.words[address >> 3] = value

    def zero_page(self, address):
        self.words[address >> 3 : (address >> 3) + 512] = 0

    def machine_address(self, gpa):
        return self.base + gpa if 0 <= gpa < self.size else None


class Frames:
    """A pool of `count` frames from 4 KiB on."""

    def __init__(self, count):
        self.all = {4096 * (n + 1) for n in range(count)}
        self.left = sorted(self.all, reverse=True)

    @property
    def available(self):
        return len(self.left)

    def allocate(self):
        return self.left.pop()

    def free(self, address):
        assert address in self.all and address not in self.left
        self.left.append(address)


class Native:
    """The guest on the bare machine, without any TLB."""

    def __init__(self, words, registers):
        self.memory = Memory(words)
        self.registers = registers

    def access(self, va, kind="load", user=False, ac=False, value=None):
        try:
            gpa = self.walk(va, kind, user, ac)
        except PageFaultError as fault:
            return "fault", fault.code
        if gpa >= self.memory.size:
            return "device", gpa
        if value is not None:
            self.memory.write64(gpa, value)
        return "ok", gpa

    def walk(self, va, kind, user, ac):
        rights, table = RW | US, self.registers.cr3 & FRAME
        for shift in (39, 30, 21, 12):
            where = table + (va >> shift & 511) * 8
            entry = self.memory.read64(where) if where < self.memory.size else (1 << 64) - 1
            if not entry & P:
                raise PageFaultError(error_code(self.registers, 0, kind, user))
            if reserved(self.registers, entry, shift):
                raise PageFaultError(error_code(self.registers, 9, kind, user))
            rights = rights & (entry | ~(RW | US)) | entry & NX
            leaf = shift == 12 or entry & PS
            if leaf and denies(self.registers, rights, kind, user, ac):
                raise PageFaultError(error_code(self.registers, 1, kind, user))
            if where < self.memory.size:
                self.memory.write64(where, entry | A | (D if leaf and kind == "store" else 0))
            if leaf:
                inside = (1 << shift) - 1
                return entry & FRAME & ~inside | va & inside
            table = entry & FRAME
        raise AssertionError


class Processor:
    """Walks shadow tables, and never forgets a translation or a table that it may keep."""

    def __init__(self, words, registers):
        self.memory = Memory(words)
        self.guest = registers
        self.cr3 = 0
        self.translations = {}
        self.tables = {}

    @property
    def registers(self):
        """The real ones: the guest's, but write protection and NX are always on."""
        return Registers(self.guest.cr0 | WP, self.cr3, self.guest.cr4, self.guest.efer | NXE)

    def load_cr3(self, root):
        self.cr3 = root
        kept = self.guest.cr4 & PGE
        self.translations = {k: v for k, v in self.translations.items() if kept and v & G}
        self.tables.clear()

    def invalidate_page(self, va):
        for shift in (12, 21, 30):
            self.translations.pop((shift, va >> shift), None)
        self.tables.clear()

    def flush(self):
        self.translations.clear()
        self.tables.clear()

    def access(self, va, kind, user, ac):
        registers = self.registers
        for shift in (12, 21, 30):
            leaf = self.translations.get((shift, va >> shift), 0)
            if leaf and not denies(registers, leaf, kind, user, ac):
                inside = (1 << shift) - 1
                return leaf & FRAME & ~inside | va & inside
        try:
            return self.walk(registers, va, kind, user, ac)
        except PageFaultError:
            for shift in (12, 21, 30, 39):
                self.translations.pop((shift, va >> shift), None)
                self.tables.pop((shift, va >> shift), None)
            raise

    def walk(self, registers, va, kind, user, ac):
        table, start = self.cr3, 39
        for shift in (21, 30, 39):
            if (shift, va >> shift) in self.tables:
                table, start = self.tables[shift, va >> shift], shift - 9
                break
        for shift in range(start, 3, -9):
            entry = self.memory.read64(table + (va >> shift & 511) * 8)
            if not entry & P:
                raise PageFaultError(error_code(registers, 0, kind, user))
            assert not reserved(registers, entry, shift), hex(entry)
            assert entry & A, "the processor would write to a shadow table"
            if shift == 12 or entry & PS:
                break
            assert entry & 0xFFF == P | RW | US | A
            table = entry & FRAME
            self.tables[shift, va >> shift] = table
        if denies(registers, entry, kind, user, ac):
            raise PageFaultError(error_code(registers, 1, kind, user))
        assert entry & D or not entry & RW, "the processor would write to a shadow table"
        self.translations[shift, va >> shift] = entry
        inside = (1 << shift) - 1
        return entry & FRAME & ~inside | va & inside
