"""Translated blocks of the engine: their instructions, their code, and how to find the one being entered."""

from __future__ import annotations

import numpy as np

from hardware_model.executor import layout as L
from hardware_model.executor import words as W
from hardware_model.executor.intrinsics import call_lookup, load8, load16, load32, load64, store64
from hardware_model.executor.state import U, word
from hardware_model.native import inner

CPU_CACHE = U(L.CPU_TB_JMP_CACHE)
PAGE_MASK = U(0xFFF)


@inner
def read_sleb(at):
    """One signed LEB128 number at host address `at`: (value, next address)."""
    value = np.int64(0)
    shift = np.int64(0)
    while True:
        byte = np.int64(load8(at))
        at += U(1)
        value |= (byte & np.int64(0x7F)) << shift
        shift += np.int64(7)
        if (byte & np.int64(0x80)) == np.int64(0):
            break
    if (byte & np.int64(0x40)) != np.int64(0):
        value |= np.int64(-1) << shift
    return value, at


@inner
def instruction_index(tb, pc):
    """(index, start of the following instruction) of the instruction of block `tb` at `pc`; index = icount if none.

    Reads the engine's own table of instruction starts, kept behind the block's code.
    """
    n = np.int64(load16(tb + U(L.TB_ICOUNT)))
    at = load64(tb + U(L.TB_CODE)) + load64(tb + U(L.TB_CODE_SIZE))
    start = load64(tb)
    end = start + load16(tb + U(L.TB_SIZE))
    found = n
    for i in range(n):
        delta, at = read_sleb(at)
        start = U(np.int64(start) + delta)
        if found < n:
            return found, start
        _, at = read_sleb(at)
        _, at = read_sleb(at)
        if start == pc:
            found = np.int64(i)
    return found, end


@inner
def instruction_start(tb, index):
    """Linear address of instruction `index` of block `tb`."""
    at = load64(tb + U(L.TB_CODE)) + load64(tb + U(L.TB_CODE_SIZE))
    start = load64(tb)
    for _ in range(index + np.int64(1)):
        delta, at = read_sleb(at)
        start = U(np.int64(start) + delta)
        _, at = read_sleb(at)
        _, at = read_sleb(at)
    return start


@inner
def code_address(w, tb, pc):
    """Host address of the code byte at linear address `pc` of block `tb`."""
    page = tb + U(L.TB_PAGE_ADDRESS)
    if (pc & ~PAGE_MASK) != (load64(tb) & ~PAGE_MASK):
        page += U(8)
    return word(w, W.RAM) + (load64(page) & ~PAGE_MASK) + (pc & PAGE_MASK)


@inner
def units_of(w, tb, pc):
    """Virtual time that the instruction at `pc` of block `tb` takes: 1, but in a VMM's code region what its map says.

    A binary translator's code takes more, or fewer, instructions than the guest's; its map has, at
    the first byte of each of its instructions, the number of guest instructions that retire with it
    (bits 6 and 7 apart, see exits_of and ends_inside).
    """
    offset = code_address(w, tb, pc) - word(w, W.RAM) - word(w, W.TIME_MAP_BASE)
    if offset >= word(w, W.TIME_MAP_BYTES):
        return U(1)
    return load8(word(w, W.TIME_MAP) + offset) & U(0x1F)


@inner
def ends_inside(w, tb):
    """Whether block `tb` ends in the middle of a guest instruction's translation that it, or its predecessor, began.

    An event due at the boundary before must come before that instruction begins, so such a block must not go past
    it, nor be entered when it is due. Instructions with bit 7 set in the map, say jumps from one unit to the next,
    are no such middle.
    """
    n = np.int64(load16(tb + U(L.TB_ICOUNT)))
    if not mapped(w, tb) or n == 0:
        return False
    if map_byte(w, tb, instruction_start(tb, n - 1)) != U(0):
        return False
    return units_before(w, tb, n) != U(0) or map_byte(w, tb, load64(tb)) == U(0)


@inner
def map_byte(w, tb, pc):
    offset = code_address(w, tb, pc) - word(w, W.RAM) - word(w, W.TIME_MAP_BASE)
    return load8(word(w, W.TIME_MAP) + offset)


@inner
def mapped(w, tb):
    """Whether block `tb` lies in a VMM's code region."""
    offset = code_address(w, tb, load64(tb)) - word(w, W.RAM) - word(w, W.TIME_MAP_BASE)
    return offset < word(w, W.TIME_MAP_BYTES)


@inner
def units_before(w, tb, index):
    """Virtual time of the first `index` instructions of block `tb`."""
    if not mapped(w, tb):
        return U(index)
    at = load64(tb + U(L.TB_CODE)) + load64(tb + U(L.TB_CODE_SIZE))
    start = load64(tb)
    total = U(0)
    for _ in range(index):
        delta, at = read_sleb(at)
        start = U(np.int64(start) + delta)
        total += units_of(w, tb, start)
        _, at = read_sleb(at)
        _, at = read_sleb(at)
    return total


@inner
def exits_of(w, tb):
    """1 if block `tb` of a VMM's code region ends in an instruction with bit 6 set in the map, else 0."""
    n = np.int64(load16(tb + U(L.TB_ICOUNT)))
    if not mapped(w, tb) or n == 0:
        return U(0)
    return (map_byte(w, tb, instruction_start(tb, n - 1)) >> U(6)) & U(1)


@inner
def instructions_for(w, tb, units):
    """The least number of instructions of block `tb` that take `units` of virtual time."""
    if not mapped(w, tb):
        return units
    n = np.int64(load16(tb + U(L.TB_ICOUNT)))
    for index in range(n):
        if units_before(w, tb, index + 1) >= units:
            return U(index + 1)
    return U(n)


@inner
def repeat_mask(w, tb):
    """The bits of RCX that count, if block `tb` is one repeated string instruction; else 0."""
    repeated = False
    mask = U(0)
    if load16(tb + U(L.TB_ICOUNT)) != U(1):
        return mask
    mask = ~mask
    opcode = U(0)
    for i in range(np.int64(load16(tb + U(L.TB_SIZE)))):
        opcode = load8(code_address(w, tb, load64(tb) + U(i)))
        if opcode == U(0xF2) or opcode == U(0xF3):
            repeated = True
        elif opcode == U(0x67):
            mask = U(0xFFFFFFFF)
        elif opcode != U(0x66) and (opcode & U(0xF0)) != U(0x40) and not segment_prefix(opcode):
            break
    moves = opcode >= U(0xA4) and opcode <= U(0xA7)
    if repeated and (moves or (opcode >= U(0xAA) and opcode <= U(0xAF))):
        return mask
    return U(0)


@inner
def loads_stack_segment(w, tb):
    """Whether block `tb` ends in MOV to SS: it always ends one (there is no POP SS, and LSS casts no shadow)."""
    n = np.int64(load16(tb + U(L.TB_ICOUNT)))
    if n == 0:
        return False
    start = instruction_start(tb, n - 1)
    end = load64(tb) + load16(tb + U(L.TB_SIZE))
    opcode = U(0)
    while start + U(1) < end:
        opcode = load8(code_address(w, tb, start))
        start += U(1)
        if (
            (opcode & U(0xF0)) != U(0x40)
            and (opcode & U(0xFC)) != U(0xF0)
            and opcode != U(0x66)
            and opcode != U(0x67)
            and not segment_prefix(opcode)
        ):
            break
    return opcode == U(0x8E) and (load8(code_address(w, tb, start)) >> U(3)) & U(7) == U(2)


@inner
def segment_prefix(byte):
    return (byte & U(0xE7)) == U(0x26) or byte == U(0x64) or byte == U(0x65)


@inner
def find_block(w, pc, size):
    """The block being entered at `pc`, from the engine's hash table; it is put into the jump cache
    for the next time.
    """
    cpu = word(w, W.CPU)
    env = word(w, W.ENV)
    flags = load32(env + U(L.ENV_HFLAGS)) | (load64(env + U(L.ENV_EFLAGS)) & U(L.TB_EFLAGS_MASK))
    mask = load32(cpu + U(0x8194)) << U(24)
    tb = call_lookup(word(w, W.F_TB_LOOKUP), cpu, pc, U(0), flags, mask)
    if tb != U(0) and load16(tb + U(L.TB_SIZE)) == size:
        store64(cpu + CPU_CACHE + U(8) * cache_index(pc), tb)
        return tb
    return U(0)


@inner
def cache_index(pc):
    t = (pc >> U(6)) ^ pc
    return (t & U(0x3F)) | ((t >> U(6)) & U(0xFC0))
