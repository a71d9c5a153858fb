"""Random kernel programs: privileged, sensitive, flags, stack, branches, faults, interrupts.

`program(seed)` is deterministic. Every statement leaves RSP and RBP (the data page) as they were, and those
that may fault are marked for the test guest's handler, which logs the event and goes on behind them.
"""

from __future__ import annotations

import random
from collections.abc import Callable

REGISTERS = ("rax", "rbx", "rcx", "rdx", "rsi", "rdi", *(f"r{n}" for n in range(8, 16)))
NARROW = {"rax": "eax", "rbx": "ebx", "rcx": "ecx", "rdx": "edx", "rsi": "esi", "rdi": "edi"}
ALU = ("add", "sub", "and", "or", "xor", "cmp", "test", "adc", "sbb", "mov", "imul", "xchg")
UNARY = ("inc", "dec", "neg", "not", "shl", "shr", "sar", "rol", "bswap")
CONDITIONS = (
    "o",
    "no",
    "b",
    "ae",
    "e",
    "ne",
    "be",
    "a",
    "s",
    "ns",
    "p",
    "np",
    "l",
    "ge",
    "le",
    "g",
)
SELECTORS = (0x08, 0x10, 0x23, 0x2B, 0x30, 0x41, 0x49, 0x50, 0x09, 0x11, 0x00, 0x7B, 0x14)
MSRS = (
    0xC0000080,
    0xC0000081,
    0xC0000082,
    0xC0000084,
    0xC0000100,
    0xC0000101,
    0xC0000102,
    0x1B,
    0x277,
)
LATER = 2000
FLAGS = 0x244CD5  # ID AC NT and what POPF always loads, less IF


class Program:
    """Statements drawn from `random`, with fresh labels; later seeds know more of them."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.later = seed >= LATER
        self._labels = 0

    def label(self) -> str:
        """A label that no other statement has."""
        self._labels += 1
        return f"label_{self._labels}"

    def register(self) -> str:
        """A general register."""
        return self.random.choice(REGISTERS)

    def slot(self) -> str:
        """An operand in the data page."""
        return f"qword ptr [rbp + {8 * self.random.randrange(400):#x}]"

    def statement(self, depth: int = 0) -> str:
        """One statement, perhaps with others inside."""
        kinds = _LEAVES if depth > 2 else _KINDS
        kind: Callable[[Program, int], str] = self.random.choices(*kinds)[0]
        return kind(self, depth)

    def block(self, depth: int) -> str:
        """A few statements."""
        return "\n".join(self.statement(depth + 1) for _ in range(self.random.randint(1, 4)))


def _alu(p: Program, depth: int) -> str:
    operation = p.random.choice(ALU)
    source = p.random.choice((p.register(), p.slot()))
    return f"{operation} {p.register()}, {source}"


def _unary(p: Program, depth: int) -> str:
    operation, operand = p.random.choice(UNARY), p.register()
    return f"{operation} {operand}" + (
        f", {p.random.randrange(64):#x}" if operation[0] in "sr" else ""
    )


def _constant(p: Program, depth: int) -> str:
    return f"mov {p.register()}, {p.random.getrandbits(p.random.choice((8, 31, 63))):#x}"


def _store(p: Program, depth: int) -> str:
    return f"{p.random.choice(('mov', 'add', 'xor', 'xchg'))} {p.slot()}, {p.register()}"


def _rip_relative(p: Program, depth: int) -> str:
    texts = (
        "mov {r}, [rip + pool]",
        "lea {r}, [rip + pool]",
        "add {r}, [rip + pool]",
        "movzx {r}, byte ptr [rip + pool]",
    )
    return p.random.choice(texts).format(r=p.register())


def _store_beside_code(p: Program, depth: int) -> str:
    text = p.random.choice(
        ("mov [rip + pool], {r}", "add [rip + pool], {r}", "movups [rip + pool], xmm0")
    )
    return text.format(r=p.register())


def _stack(p: Program, depth: int) -> str:
    return f"push {p.register()}\n{p.block(depth)}\npop {p.register()}"


def _read_flags(p: Program, depth: int) -> str:
    return f"pushfq\npop {p.register()}"


def _write_flags(p: Program, depth: int) -> str:
    value = p.random.getrandbits(22) & FLAGS | p.random.choice((0, 0x200, 0x200, 0x3200, 0x1000))
    return f"push {value:#x}\npopfq"


def _interrupts(p: Program, depth: int) -> str:
    return p.random.choice(("cli", "sti", "sti\nnop", "cli\nsti", "sti\ncli", "sti\nsti"))


def _conditional(p: Program, depth: int) -> str:
    over = p.label()
    return f"j{p.random.choice(CONDITIONS)} {over}\n{p.block(depth)}\n{over}:"


def _loop(p: Program, depth: int) -> str:
    top = p.label()
    body = p.statement(3)
    saved = f"mov qword ptr [rbp + {0xE00 + 8 * depth:#x}], rcx"
    return f"mov ecx, {p.random.randint(1, 6)}\n{top}:\n{saved}\n{body}\nmov rcx, qword ptr [rbp + {0xE00 + 8 * depth:#x}]\nloop {top}"


def _call(p: Program, depth: int) -> str:
    function, over = p.label(), p.label()
    return f"call {function}\njmp {over}\n{function}:\n{p.block(depth)}\nret\n{over}:"


def _indirect_call(p: Program, depth: int) -> str:
    function, over, register = p.label(), p.label(), p.register()
    call = p.random.choice(
        (f"call {register}", f"mov [rbp + 0xf00], {register}\ncall qword ptr [rbp + 0xf00]")
    )
    return f"lea {register}, [rip + {function}]\n{call}\njmp {over}\n{function}:\n{p.block(depth)}\nret\n{over}:"


def _indirect_jump(p: Program, depth: int) -> str:
    target, register = p.label(), p.register()
    return f"lea {register}, [rip + {target}]\njmp {register}\nud2\n{target}:"


def _return_by_push(p: Program, depth: int) -> str:
    target, register = p.label(), p.register()
    return f"lea {register}, [rip + {target}]\npush {register}\nret\nud2\n{target}:"


def _interrupt_return(p: Program, depth: int) -> str:
    """IRETQ to the kernel, often with flags or selectors that only the VMM can load."""
    target, old = p.label(), p.register()
    flags = p.random.getrandbits(22) & FLAGS | p.random.choice((0, 0x200, 0x200, 0x1000)) | 2
    flags = p.random.choice((2, 0x202, 0x202, flags))
    scratch = next(r for r in REGISTERS if r != old)
    return (
        f"mov {old}, ss\nmov {scratch}, rsp\npush {old}\npush {scratch}\npush {flags:#x}\npush 8\n"
        f"lea {scratch}, [rip + {target}]\npush {scratch}\n?iretq\nadd rsp, 40\n{target}:"
    )


def _control_register(p: Program, depth: int) -> str:
    r = p.register()
    texts = (
        f"mov {r}, cr0", f"mov {r}, cr2", f"mov {r}, cr3", f"mov {r}, cr4", f"mov {r}, cr8",
        f"mov {r}, cr3\nmov cr3, {r}", f"mov cr2, {r}", f"mov {r}, {p.random.randrange(20)}\n?mov cr8, {r}",
        f"mov {r}, cr0\nxor {r}, 8\nmov cr0, {r}", "clts", f"mov {r}, cr4\nmov cr4, {r}", f"?mov cr4, {r}",
        f"mov {r}, cr0\nxor {r}, 0x10000\nmov cr0, {r}", "mov rax, cr0\nor eax, 8\nlmsw ax\nclts",
    )  # fmt: skip
    return p.random.choice(texts)


def _system(p: Program, depth: int) -> str:
    r = p.register()
    texts = (
        "sgdt [rbp + 0xf20]", "sidt [rbp + 0xf30]", f"str {r}", f"sldt {r}", f"smsw {r}", "str word ptr [rbp + 0xf40]",
        "smsw word ptr [rbp + 0xf48]", f"mov {r}, cs", f"mov {r}, ss", "mov ax, cs", "mov word ptr [rbp + 0xf50], ss",
        "mov eax, 1\nxor ecx, ecx\ncpuid", "rdtsc", "swapgs\nswapgs", f"mov {r}, dr7", f"mov {r}, dr6", "wbinvd",
        "invlpg [rbp]", "invlpg [rip + pool]", "mov edx, 0x3fd\nin al, dx", "in al, 0x80", "mov edx, 0x3ff\nout dx, al\nin al, dx",
        "push fs\npop fs", f"mov {r}, ds", "lgdt [rip + gdt_pointer]", "lidt [rip + idt_pointer]", "xor eax, eax\nlldt ax",
    )  # fmt: skip
    return p.random.choice(texts + _later_system(r) if p.later else texts)


def _later_system(r: str) -> tuple[str, ...]:
    return (
        "stac", "clac", "mov ecx, 0xc0000103\nxor edx, edx\nwrmsr\nrdtscp", f"mov cr2, {r}\nmov rdx, cr2",
        "mov ebx, 0x30\nlar eax, ebx", "mov ebx, 0x30\nlsl rax, rbx", "mov word ptr [rbp + 0xf60], 0x2b\nverr word ptr [rbp + 0xf60]",
        "mov word ptr [rbp + 0xf60], 0x11\nlsl cx, word ptr [rbp + 0xf60]", "mov edx, 0x23\nverw dx\nsetz al",
        "mov rcx, 0x10\nlar rcx, ecx", ".byte 0x66,0x9c\n.byte 0x66,0x9d",
    )  # fmt: skip


def _msr(p: Program, depth: int) -> str:
    return f"mov ecx, {p.random.choice(MSRS):#x}\n?rdmsr" + p.random.choice(("", "\n?wrmsr"))


def _segments(p: Program, depth: int) -> str:
    selector = p.random.choice(SELECTORS)
    texts = (
        "?mov ds, ax", "?mov es, ax", "?mov ss, ax\nnop", "?mov fs, ax", "?mov gs, ax", "lar ebx, eax", "lsl ebx, eax", "lar rbx, eax",
        "verr ax", "verw ax", "lar ebx, word ptr [rbp]", "or eax, 8\n?ltr ax", "?lldt ax",
    )  # fmt: skip
    return f"mov eax, {selector:#x}\n{p.random.choice(texts)}"


def _fault(p: Program, depth: int) -> str:
    r = p.register()
    texts = (
        "?ud2", "xor ecx, ecx\n?div rcx", f"mov {r}, 0x4000000000000000\n?mov {r}, [{r}]",
        f"mov {r}, 0x70000000\n?mov [{r}], {r}", f"mov {r}, 0x70000000\n?add [{r}], {r}", "int3", "int 0x80", "?int 0x30",
        f"mov {r}, 0x70000000\n?call qword ptr [{r}]", "?mov cr9, rax", "?rdpmc", "?hlt_if_never", "?vmcall", "?sysexit",
        f"mov {r}, 0x70000000\n?push qword ptr [{r}]",
    )  # fmt: skip
    return p.random.choice(texts).replace("?hlt_if_never", "nop")


def _string(p: Program, depth: int) -> str:
    texts = (
        "rep stosb",
        "rep movsb",
        "rep stosq",
        "repe cmpsb",
        "repne scasb",
        "lodsq",
        "movsq",
        "stosd",
    )
    return (
        f"mov rdi, rbp\nlea rsi, [rbp + 0x100]\nmov ecx, {p.random.randrange(20)}\n"
        f"{p.random.choice(('cld', 'cld', 'lea rdi, [rbp + 0x180]'))}\n{p.random.choice(texts)}\ncld"
    )


_WEIGHTED: dict[Callable[[Program, int], str], int] = {
    _alu: 12, _unary: 5, _constant: 4, _store: 5, _rip_relative: 3, _store_beside_code: 1, _read_flags: 4,
    _write_flags: 4, _interrupts: 5, _control_register: 5, _system: 6, _msr: 2, _segments: 4, _fault: 4, _string: 2,
    _indirect_jump: 2, _return_by_push: 2, _interrupt_return: 3,
}  # fmt: skip
_NESTING: dict[Callable[[Program, int], str], int] = {
    _stack: 4, _conditional: 6, _loop: 3, _call: 4, _indirect_call: 4,
}  # fmt: skip
_LEAVES = (list(_WEIGHTED), list(_WEIGHTED.values()))
_KINDS = (list(_WEIGHTED | _NESTING), list((_WEIGHTED | _NESTING).values()))
_PROLOGUE = """
mov rbp, DATA
mov rbx, APIC
mov dword ptr [rbx + 0xf0], 0x1ff
mov dword ptr [rbx + 0x3e0], 0xb
mov dword ptr [rbx + 0x320], {timer:#x}
mov dword ptr [rbx + 0x380], {period:#x}
"""
_EPILOGUE = """
cli
mov rbx, APIC
mov dword ptr [rbx + 0x320], 0x10000
xor eax, eax
mov cr8, rax
mov ss, ax
jmp over_the_pool
pool: .quad 0x1122334455667788, 0x99aabbccddeeff00
gdt_pointer: .short 0x7f
.quad GDT
idt_pointer: .short 0xfff
.quad IDT
over_the_pool:
"""


def program(seed: int, statements: int = 60) -> str:
    """The kernel text of a seed."""
    p = Program(seed)
    timer = p.random.choice((0x10090, 0x20090, 0x20090))
    head = _PROLOGUE.format(timer=timer, period=p.random.randint(60, 900))
    return head + "\n".join(p.statement() for _ in range(statements)) + _EPILOGUE
