"""The instruction classes that executed guest code is counted in, declared once.

The class of position i in `INSTRUCTION_CLASSES` is counted as `insn.<name>`. A class of kind
"system" is the cost key of one or more rows of the system-instruction table
(`hardware_model.system_instructions`). `classify` maps machine code to classes. Sources: Intel SDM
vol. 2 (instruction reference) and vol. 3A section 2.8 (system instructions).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["user", "system", "invalid"]


@dataclass(frozen=True, slots=True)
class InstructionClass:
    """One class: `name` (counter `insn.<name>`), `doc` (its instructions) and `kind`."""

    name: str
    doc: str
    kind: Kind


_USER = {
    "alu": "register moves and single-cycle integer operations on registers, LEA included",
    "mul": "three-cycle integer operations: MUL, IMUL, CRC32, POPCNT, BSF, BSR and the like",
    "div": "DIV and IDIV",
    "load": "instructions whose only memory access is a read",
    "store": "instructions whose only memory access is a write",
    "load_store": "unlocked instructions that read and write memory operands",
    "locked": "atomic read-modify-write instructions: LOCK-prefixed, and XCHG with memory",
    "push": "PUSHes of general registers, immediates and memory",
    "pop": "POPs of general registers and memory, and LEAVE",
    "branch": "conditional near jumps, LOOP and JRCXZ included",
    "jump": "unconditional direct near jumps",
    "call": "direct near CALLs",
    "ret": "near RETs",
    "indirect_jump": "near jumps through a register or memory",
    "indirect_call": "near CALLs through a register or memory",
    "string": "MOVS, STOS, LODS, CMPS and SCAS; every iteration of a repeated one counts",
    "sse": "SSE to SSE4.2 and MMX operations other than plain loads and stores",
    "sse_div": "SSE divisions and square roots",
    "fpu": "x87 operations",
    "fpu_state": "FXSAVE, FXRSTOR, XSAVE, XRSTOR and the like",
    "nop": "NOPs, prefetches and the region markers",
    "fence": "MFENCE, LFENCE, SFENCE and CLFLUSH",
    "microcoded": "ENTER, XLAT, RDRAND, LDMXCSR and other microcoded user instructions",
}

_SYSTEM = {
    "cli": "CLI",
    "sti": "STI",
    "pushf": "PUSHF and PUSHFQ",
    "popf": "POPF and POPFQ",
    "iret": "IRET, IRETD and IRETQ",
    "swapgs": "SWAPGS",
    "syscall": "SYSCALL",
    "sysret": "SYSRET",
    "sysenter": "SYSENTER",
    "sysexit": "SYSEXIT",
    "int_n": "INT n",
    "int3": "INT3",
    "int1": "INT1",
    "in": "IN",
    "out": "OUT",
    "ins": "INS; every iteration of a repeated one counts",
    "outs": "OUTS; every iteration of a repeated one counts",
    "rdtsc": "RDTSC",
    "rdtscp": "RDTSCP",
    "rdpmc": "RDPMC",
    "cpuid": "CPUID",
    "mov_from_cr": "MOV from CR0, CR2, CR3 and CR4",
    "mov_from_cr8": "MOV from CR8",
    "mov_to_cr0": "MOV to CR0",
    "mov_to_cr2": "MOV to CR2",
    "mov_to_cr3": "MOV to CR3",
    "mov_to_cr4": "MOV to CR4",
    "mov_to_cr8": "MOV to CR8",
    "mov_from_dr": "MOV from a debug register",
    "mov_to_dr": "MOV to a debug register",
    "clts": "CLTS",
    "lmsw": "LMSW",
    "smsw": "SMSW",
    "invlpg": "INVLPG",
    "invpcid": "INVPCID",
    "invd": "INVD",
    "wbinvd": "WBINVD",
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
    "mov_from_sreg": "MOV from a segment register",
    "mov_to_sreg": "MOV to a segment register",
    "push_sreg": "PUSH FS and PUSH GS",
    "pop_sreg": "POP FS and POP GS",
    "load_far_pointer": "LSS, LFS and LGS",
    "far_call": "far CALLs",
    "far_jump": "far JMPs",
    "far_ret": "far RETs",
    "rdfsbase": "RDFSBASE, RDGSBASE, WRFSBASE and WRGSBASE",
    "rdmsr": "RDMSR",
    "wrmsr": "WRMSR",
    "hlt": "HLT",
    "pause": "PAUSE",
    "monitor": "MONITOR",
    "mwait": "MWAIT",
    "stac": "STAC and CLAC",
    "xgetbv": "XGETBV",
    "xsetbv": "XSETBV",
    "vmcall": "VMCALL and VMMCALL",
    "vmx": "VMX instructions other than VMCALL (VMXON, VMREAD, INVEPT, ...) and the SVM ones",
    "rsm": "RSM",
    "getsec": "GETSEC",
    "ud": "UD0, UD1 and UD2, which raise #UD by definition",
}

INSTRUCTION_CLASSES: tuple[InstructionClass, ...] = (
    *(InstructionClass(name, doc, "user") for name, doc in _USER.items()),
    *(InstructionClass(name, doc, "system") for name, doc in _SYSTEM.items()),
    InstructionClass("invalid", "byte sequences that are no instruction", "invalid"),
)
"""All classes; the position of a class is its index in `classify`'s answer."""

CLASS_INDEX: dict[str, int] = {c.name: i for i, c in enumerate(INSTRUCTION_CLASSES)}


def classify(code: bytes, ip: int = 0) -> tuple[int, ...]:
    """The class index of each instruction of straight-line 64-bit `code` at linear address `ip`.

    Never fails: bytes that are no instruction, or one cut off by the end of `code`, give one
    `invalid` and end the answer.
    """
    from hardware_model.instruction_decoding import class_indices

    return class_indices(code, ip)
