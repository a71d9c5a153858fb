"""Control registers, debug registers, MSRs and ports in VMX non-root operation: what exits, and
what the guest sees otherwise.
"""

from __future__ import annotations

from hardware_model import counters
from hardware_model.executor import bare
from hardware_model.executor import layout as L
from hardware_model.executor import words as W
from hardware_model.executor.intrinsics import call_event, load64, store8
from hardware_model.executor.memory_access import ram_words
from hardware_model.executor.operands import (
    code_byte,
    memory_address,
    modrm_registers,
    opcode_offset,
)
from hardware_model.executor.ports_and_syscall import readable, supervisor_byte
from hardware_model.executor.state import U, count, set_word, word
from hardware_model.executor.vmx_exit import (
    COMPLETED,
    NO_EXIT,
    field,
    primary,
    qualified,
    secondary,
)
from hardware_model.native import inner
from hardware_model.vmx import bitmaps
from hardware_model.vmx.controls import Primary, Secondary
from hardware_model.vmx.fields import Field
from hardware_model.vmx.layout import WORD_INDEX

I = W.Intercept
_CR0_MASK, _CR0_SHADOW = WORD_INDEX[Field.CR0_GUEST_HOST_MASK], WORD_INDEX[Field.CR0_READ_SHADOW]
_CR4_MASK, _CR4_SHADOW = WORD_INDEX[Field.CR4_GUEST_HOST_MASK], WORD_INDEX[Field.CR4_READ_SHADOW]
_TARGETS, _TARGET_COUNT = WORD_INDEX[Field.CR3_TARGET_VALUE0], WORD_INDEX[Field.CR3_TARGET_COUNT]
_MSR_BITMAPS = WORD_INDEX[Field.MSR_BITMAPS]
_IO_A, _IO_B = WORD_INDEX[Field.IO_BITMAP_A], WORD_INDEX[Field.IO_BITMAP_B]
_VIRTUAL_APIC, _THRESHOLD = WORD_INDEX[Field.VIRTUAL_APIC_ADDRESS], WORD_INDEX[Field.TPR_THRESHOLD]
_CR3_LOAD, _CR3_STORE = U(Primary.CR3_LOAD_EXITING), U(Primary.CR3_STORE_EXITING)
_CR8_LOAD, _CR8_STORE = U(Primary.CR8_LOAD_EXITING), U(Primary.CR8_STORE_EXITING)
_TPR_SHADOW = U(Primary.USE_TPR_SHADOW)
_VIRTUAL_INTERRUPTS = U(Secondary.VIRTUAL_INTERRUPT_DELIVERY)
_MSR_BITMAPS_USED, _IO_BITMAPS_USED = U(Primary.USE_MSR_BITMAPS), U(Primary.USE_IO_BITMAPS)
_IO_ALWAYS = U(Primary.UNCONDITIONAL_IO_EXITING)
_TPR_ACCESS = counters.index("vmx.tpr_access")
MOV_TO, MOV_FROM, CLTS, LMSW = 0, 1, 2, 3
CR_ACCESS, DR_ACCESS, IO, RDMSR, WRMSR, TPR_BELOW_THRESHOLD = 28, 29, 30, 31, 32, 43


@inner
def cr_exit(w, number, access, gpr):
    return qualified(w, CR_ACCESS, U(number) | (U(access) << U(4)) | (U(gpr) << U(8)))


@inner
def gpr_value(w, number):
    return load64(word(w, W.ENV) + U(8) * number)


@inner
def cr_write(w, number):
    """MOV to CR0, CR3, CR4 or CR8; CLTS and LMSW: an exit reason, COMPLETED or NO_EXIT."""
    i, _, _ = opcode_offset(w)
    second = code_byte(w, i + 1)
    if second == U(0x06):
        if bitmaps.clts_exits(field(w, _CR0_MASK), field(w, _CR0_SHADOW)):
            return cr_exit(w, 0, CLTS, 0)
        return NO_EXIT
    if second == U(0x01):
        return _lmsw(w)
    reg, gpr = modrm_registers(w)
    value = gpr_value(w, gpr)
    if reg == U(0) and bitmaps.cr_write_exits(value, field(w, _CR0_MASK), field(w, _CR0_SHADOW)):
        return cr_exit(w, 0, MOV_TO, gpr)
    if reg == U(4) and bitmaps.cr_write_exits(value, field(w, _CR4_MASK), field(w, _CR4_SHADOW)):
        return cr_exit(w, 4, MOV_TO, gpr)
    if reg == U(3) and primary(w, _CR3_LOAD) and not _is_target(w, value):
        return cr_exit(w, 3, MOV_TO, gpr)
    if reg == U(8):
        return _cr8_write(w, value, gpr)
    return NO_EXIT


@inner
def _lmsw(w):
    at, _, _ = opcode_offset(w)
    memory = (code_byte(w, at + 2) >> U(6)) != U(3)
    if memory:
        address = memory_address(w, 2)
        if not readable(w, address) or not readable(w, address + U(1)):
            return NO_EXIT  # the fault comes first
        source = supervisor_byte(w, address) | (supervisor_byte(w, address + U(1)) << U(8))
        set_word(w, W.EVENT_LINEAR, address)
    else:
        _, gpr = modrm_registers(w)
        source = gpr_value(w, gpr) & U(0xFFFF)
    if bitmaps.lmsw_exits(source, field(w, _CR0_MASK), field(w, _CR0_SHADOW)):
        kind = (U(LMSW) << U(4)) | (U(1 << 6) if memory else U(0))
        return qualified(w, CR_ACCESS, kind | (source << U(16)))
    return NO_EXIT


@inner
def _is_target(w, value):
    for i in range(4):
        if U(i) < field(w, _TARGET_COUNT) and field(w, _TARGETS + i) == value:
            return True
    return False


@inner
def _cr8_write(w, value, gpr):
    if primary(w, _CR8_LOAD):
        return cr_exit(w, 8, MOV_TO, gpr)
    if not primary(w, _TPR_SHADOW) or value > U(15):
        return NO_EXIT
    count(w, _TPR_ACCESS, 1)
    store8(word(w, W.RAM) + field(w, _VIRTUAL_APIC) + U(0x80), value << U(4))
    bare.complete(w)
    if secondary(w, _VIRTUAL_INTERRUPTS):
        call_event(word(w, W.F_EVENT), U(W.Event.TASK_PRIORITY))
        return COMPLETED
    if value < (field(w, _THRESHOLD) & U(15)):
        return qualified(w, TPR_BELOW_THRESHOLD, U(0))
    return COMPLETED


@inner
def cr_read(w, number):
    """MOV from CR0, CR3, CR4 or CR8; SMSW is left to the machine."""
    i, _, _ = opcode_offset(w)
    if code_byte(w, i + 1) == U(0x01):
        return NO_EXIT
    reg, gpr = modrm_registers(w)
    real = load64(word(w, W.ENV) + U(L.ENV_CR) + U(8) * reg) if reg < U(5) else U(0)
    if reg == U(3):
        if primary(w, _CR3_STORE):
            return cr_exit(w, 3, MOV_FROM, gpr)
    elif reg == U(0):
        real = bitmaps.cr_read(real, field(w, _CR0_MASK), field(w, _CR0_SHADOW))
    elif reg == U(4):
        real = bitmaps.cr_read(real, field(w, _CR4_MASK), field(w, _CR4_SHADOW))
    elif reg == U(8):
        if primary(w, _CR8_STORE):
            return cr_exit(w, 8, MOV_FROM, gpr)
        if not primary(w, _TPR_SHADOW):
            return NO_EXIT
        count(w, _TPR_ACCESS, 1)
        real = (load64(word(w, W.RAM) + field(w, _VIRTUAL_APIC) + U(0x80)) & U(0xFF)) >> U(4)
    bare.read_cr(w, real)
    return COMPLETED


@inner
def dr_access(w):
    """MOV DR exits when MOV-DR exiting is set; qualification SDM vol. 3C table 27-4."""
    i, _, _ = opcode_offset(w)
    reg, gpr = modrm_registers(w)
    direction = U(1) if code_byte(w, i + 1) == U(0x21) else U(0)
    return qualified(w, DR_ACCESS, reg | (direction << U(4)) | (gpr << U(8)))


@inner
def msr_access(w):
    i, _, _ = opcode_offset(w)
    write = code_byte(w, i + 1) == U(0x30)
    number = gpr_value(w, U(1)) & U(0xFFFFFFFF)
    exits = True
    if primary(w, _MSR_BITMAPS_USED):
        exits = bitmaps.msr_exits(ram_words(w), field(w, _MSR_BITMAPS), number, write)
    if not exits:
        return NO_EXIT
    return qualified(w, WRMSR if write else RDMSR, U(0))


@inner
def port_access(w):
    port, size = word(w, W.EVENT_PHYSICAL), word(w, W.EVENT_SIZE)
    exits = primary(w, _IO_ALWAYS)
    if primary(w, _IO_BITMAPS_USED):
        exits = bitmaps.io_exits(ram_words(w), field(w, _IO_A), field(w, _IO_B), port, size)
    if not exits:
        return NO_EXIT
    i, _, _ = opcode_offset(w)
    opcode = code_byte(w, i)
    qualification = (size - U(1)) | (port << U(16))
    if word(w, W.EVENT_WRITE) == U(0):
        qualification |= U(8)
    if opcode >= U(0x6C) and opcode <= U(0x6F):
        qualification |= U(16)
        set_word(w, W.EVENT_LINEAR, _string_address(w, opcode))
        if code_byte(w, 0) == U(0xF3) or code_byte(w, 0) == U(0xF2):
            qualification |= U(32)
    elif opcode >= U(0xE4) and opcode <= U(0xE7):
        qualification |= U(64)
    return qualified(w, IO, qualification)


@inner
def _string_address(w, opcode):
    """Linear address of the memory operand of INS or OUTS."""
    opcode_at, _, base = opcode_offset(w)
    reads_memory = opcode >= U(0x6E)
    address = gpr_value(w, U(6) if reads_memory else U(7))
    for i in range(opcode_at):
        if code_byte(w, i) == U(0x67):
            address &= U(0xFFFFFFFF)
    return address + base if reads_memory else address
