"""From machine code to instruction classes, by the decoder iced-x86.

The class of an instruction follows from its opcode and the kinds of its operands, so each
combination is examined once and remembered; classifying a block then costs a decode and a
dictionary look-up per instruction.
"""

from __future__ import annotations

from iced_x86 import (
    Code,
    CpuidFeature,
    Decoder,
    FlowControl,
    Instruction,
    InstructionInfoFactory,
    Mnemonic,
    OpAccess,
    OpKind,
    Register,
)

from hardware_model.instruction_classes import CLASS_INDEX

_BY_MNEMONIC: dict[str, str] = {
    "mul": "MUL IMUL MULX CRC32 POPCNT BSF BSR LZCNT TZCNT PDEP PEXT",
    "div": "DIV IDIV",
    "fpu_state": "FXSAVE FXSAVE64 FXRSTOR FXRSTOR64 XSAVE XSAVE64 XRSTOR XRSTOR64 "
    "XSAVEOPT XSAVEOPT64 XSAVEC XSAVEC64 XSAVES XSAVES64 XRSTORS XRSTORS64 "
    "FNSAVE FRSTOR FNSTENV FLDENV",
    "nop": "NOP PREFETCHNTA PREFETCHT0 PREFETCHT1 PREFETCHT2 PREFETCHW PREFETCH "
    "RESERVEDNOP ENDBR64 ENDBR32",
    "fence": "MFENCE LFENCE SFENCE CLFLUSH CLFLUSHOPT CLWB",
    "microcoded": "ENTER XLATB RDRAND RDSEED LDMXCSR STMXCSR",
    "pop": "LEAVE",
    "sse_div": "DIVPS DIVPD DIVSS DIVSD SQRTPS SQRTPD SQRTSS SQRTSD",
    "cli": "CLI",
    "sti": "STI",
    "pushf": "PUSHF PUSHFD PUSHFQ",
    "popf": "POPF POPFD POPFQ",
    "iret": "IRET IRETD IRETQ",
    "swapgs": "SWAPGS",
    "syscall": "SYSCALL",
    "sysret": "SYSRET SYSRETQ",
    "sysenter": "SYSENTER",
    "sysexit": "SYSEXIT SYSEXITQ",
    "int_n": "INT",
    "int3": "INT3",
    "int1": "INT1",
    "in": "IN",
    "out": "OUT",
    "ins": "INSB INSW INSD",
    "outs": "OUTSB OUTSW OUTSD",
    "rdtsc": "RDTSC",
    "rdtscp": "RDTSCP RDPID",
    "rdpmc": "RDPMC",
    "cpuid": "CPUID",
    "clts": "CLTS",
    "lmsw": "LMSW",
    "smsw": "SMSW",
    "invlpg": "INVLPG",
    "invpcid": "INVPCID",
    "invd": "INVD",
    "wbinvd": "WBINVD WBNOINVD",
    "lgdt": "LGDT",
    "lidt": "LIDT",
    "lldt": "LLDT",
    "ltr": "LTR",
    "sgdt": "SGDT",
    "sidt": "SIDT",
    "sldt": "SLDT",
    "str": "STR",
    "lar": "LAR",
    "lsl": "LSL",
    "verr": "VERR",
    "verw": "VERW",
    "load_far_pointer": "LSS LFS LGS",
    "far_ret": "RETF",
    "rdfsbase": "RDFSBASE RDGSBASE WRFSBASE WRGSBASE",
    "rdmsr": "RDMSR",
    "wrmsr": "WRMSR",
    "hlt": "HLT",
    "pause": "PAUSE TPAUSE",
    "monitor": "MONITOR MONITORX UMONITOR",
    "mwait": "MWAIT MWAITX UMWAIT",
    "stac": "STAC CLAC",
    "xgetbv": "XGETBV",
    "xsetbv": "XSETBV",
    "vmcall": "VMCALL VMMCALL",
    "vmx": "VMXON VMXOFF VMCLEAR VMPTRLD VMPTRST VMREAD VMWRITE VMLAUNCH VMRESUME INVEPT "
    "INVVPID VMFUNC VMRUN VMLOAD VMSAVE STGI CLGI SKINIT INVLPGA",
    "rsm": "RSM",
    "getsec": "GETSEC",
    "ud": "UD0 UD1 UD2",
    "invalid": "INVALID",
}

_MNEMONIC_CLASS: dict[int, str] = {
    getattr(Mnemonic, mnemonic): name
    for name, mnemonics in _BY_MNEMONIC.items()
    for mnemonic in mnemonics.split()
}

_FLOW_CLASS: dict[int, str] = {
    FlowControl.UNCONDITIONAL_BRANCH: "jump",
    FlowControl.CONDITIONAL_BRANCH: "branch",
    FlowControl.CALL: "call",
    FlowControl.RETURN: "ret",
    FlowControl.INDIRECT_BRANCH: "indirect_jump",
    FlowControl.INDIRECT_CALL: "indirect_call",
}

_CR_READS = frozenset({Code.MOV_R64_CR, Code.MOV_R32_CR})
_CR_WRITES = frozenset({Code.MOV_CR_R64, Code.MOV_CR_R32})
_DR_READS = frozenset({Code.MOV_R64_DR, Code.MOV_R32_DR})
_DR_WRITES = frozenset({Code.MOV_DR_R64, Code.MOV_DR_R32})
_SREG_LOADS = frozenset({Code.MOV_SREG_RM16, Code.MOV_SREG_R32M16, Code.MOV_SREG_R64M16})
_SREG_STORES = frozenset({Code.MOV_RM16_SREG, Code.MOV_R32M16_SREG, Code.MOV_R64M16_SREG})
_REGISTER_DEPENDENT = _CR_READS | _CR_WRITES
_CR_WRITE_CLASS = {getattr(Register, f"CR{n}"): f"mov_to_cr{n}" for n in (0, 2, 3, 4, 8)}
_CR_READ_CLASS = dict.fromkeys(_CR_WRITE_CLASS, "mov_from_cr") | {Register.CR8: "mov_from_cr8"}
_SEGMENT_REGISTERS = frozenset(
    {Register.ES, Register.CS, Register.SS, Register.DS, Register.FS, Register.GS}
)
_SSE = frozenset(
    value
    for name, value in vars(CpuidFeature).items()
    if name.startswith(("SSE", "MMX", "AES", "PCLMUL"))
) | {CpuidFeature.SSSE3}
_FPU = frozenset(value for name, value in vars(CpuidFeature).items() if name.startswith("FPU"))

_SSE_MOVES = frozenset(
    value
    for name, value in vars(Mnemonic).items()
    if name.startswith(("MOV", "LDDQU", "MASKMOV")) and isinstance(value, int)
)

_Key = tuple[int, int, int, bool]
_KNOWN: dict[_Key, int] = {}
_INFORMATION = InstructionInfoFactory()
_INVALID = CLASS_INDEX["invalid"]


def class_indices(code: bytes, ip: int) -> tuple[int, ...]:
    """`hardware_model.instruction_classes.classify`, which see."""
    found: list[int] = []
    for instruction in Decoder(64, code, ip=ip):
        opcode = instruction.code
        key = (opcode, instruction.op0_kind, instruction.op1_kind, instruction.has_lock_prefix)
        known = _KNOWN.get(key)
        if known is None:
            known = CLASS_INDEX[_class_name(instruction)]
            if opcode not in _REGISTER_DEPENDENT:
                _KNOWN[key] = known
        found.append(known)
        if known == _INVALID:
            break
    return tuple(found)


def _class_name(instruction: Instruction) -> str:
    return _system_move(instruction) or _far_transfer(instruction) or _by_opcode(instruction)


def _system_move(instruction: Instruction) -> str | None:
    """The class of a MOV, PUSH or POP of a control, debug or segment register; else None."""
    opcode = instruction.code
    if opcode in _CR_READS:
        return _CR_READ_CLASS.get(instruction.op1_register, "invalid")
    if opcode in _CR_WRITES:
        return _CR_WRITE_CLASS.get(instruction.op0_register, "invalid")
    if opcode in _DR_READS:
        return "mov_from_dr"
    if opcode in _DR_WRITES:
        return "mov_to_dr"
    if opcode in _SREG_LOADS:
        return "mov_to_sreg"
    if opcode in _SREG_STORES:
        return "mov_from_sreg"
    if instruction.op0_kind == OpKind.REGISTER and instruction.op0_register in _SEGMENT_REGISTERS:
        if instruction.mnemonic == Mnemonic.PUSH:
            return "push_sreg"
        if instruction.mnemonic == Mnemonic.POP:
            return "pop_sreg"
    return None


def _far_transfer(instruction: Instruction) -> str | None:
    if instruction.is_call_far or instruction.is_call_far_indirect:
        return "far_call"
    if instruction.is_jmp_far or instruction.is_jmp_far_indirect:
        return "far_jump"
    return None


def _by_opcode(instruction: Instruction) -> str:
    named = _MNEMONIC_CLASS.get(instruction.mnemonic)
    if named is not None:
        return named
    if instruction.flow_control in _FLOW_CLASS:
        return _FLOW_CLASS[instruction.flow_control]
    if instruction.is_string_instruction:
        return "string"
    if instruction.mnemonic in (Mnemonic.PUSH, Mnemonic.POP):
        return "push" if instruction.mnemonic == Mnemonic.PUSH else "pop"
    features = set(instruction.cpuid_features())
    if features & _FPU:
        return "fpu"
    memory = _memory_class(instruction)
    if features & _SSE:
        return memory if memory is not None and instruction.mnemonic in _SSE_MOVES else "sse"
    return memory or "alu"


def _memory_class(instruction: Instruction) -> str | None:
    """load, store, load_store or locked by the access to the memory operand; None without one."""
    information = _INFORMATION.info(instruction)
    for operand in range(instruction.op_count):
        if instruction.op_kind(operand) != OpKind.MEMORY:
            continue
        access = information.op_access(operand)
        if access in (OpAccess.READ, OpAccess.COND_READ):
            return "load"
        if access in (OpAccess.WRITE, OpAccess.COND_WRITE):
            return "store"
        if access in (OpAccess.READ_WRITE, OpAccess.READ_COND_WRITE):
            locked = instruction.has_lock_prefix or instruction.mnemonic == Mnemonic.XCHG
            return "locked" if locked else "load_store"
    return None
