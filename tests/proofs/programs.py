"""Guest programs made of statements, for comparing techniques: kernel and user code, page tables, faults, interrupts.

A program is a list of kernel statements and a list of user statements, each a small tuple that says what it does, so
that a list of fewer or simpler ones is a program too: failing ones shrink.

    WINDOW   eight pages that the kernel maps, unmaps and protects; some are given to the user, some are code
    LARGE    two regions of 2 MiB, mapped by large entries or not at all
    MIRROR   a PML4 slot that may point at the PML4 itself

The kernel's page-fault handler makes entries marked DEMAND present; its handlers of INT 0x80 and SYSCALL change the
window for the user.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import cache

from tests.small_guest import SmallGuest
from tests.techniques.binary_translation.sequences import Program as Sequence

WINDOW, PAGES = 0x700000, 8
LARGE = 0xA00000
MIRROR_SLOT = 100
MIRROR = 0xFFFF000000000000 * (MIRROR_SLOT >= 256) | MIRROR_SLOT << 39
FRAMES = 0x240000
P, W, U, A, D, PS, G, DEMAND, NX = 1, 2, 4, 0x20, 0x40, 0x80, 0x100, 0x200, 1 << 63
FLAGS = (
    P | W, P | W | U, P, P | U, P | W | NX, P | W | U | NX, P | U | NX, P | W | U | A | D, P | W | A, P | U | A | G, 0,
    DEMAND | W, DEMAND | W | U, DEMAND, DEMAND | U | NX, P | W | 1 << 45, P | W | U | G,
)  # fmt: skip
CODE = "b8 01 00 00 00 ff c0 c3"  # mov eax, 1; inc eax; ret

Statement = tuple[str, int, int, int]


@dataclass(frozen=True)
class Entries:
    """Linear addresses of the entries that programs change."""

    window: int  # of the first page's entry
    large: int  # of the first 2 MiB region's
    mirror: int


@cache
def entries() -> Entries:
    """Where they lie: page tables are built the same way for every program."""
    guest = SmallGuest("nop", pages=_pages())
    tables = guest._tables
    va = 0xFFFFFFFF80000000
    return Entries(
        tables.entry_address(WINDOW, 1) + va,
        tables.entry_address(LARGE, 2) + va,
        tables.root + 8 * MIRROR_SLOT + va,
    )


def _pages() -> list[tuple[int, int, int]]:
    return [
        (WINDOW + n * 0x1000, FRAMES + n * 0x1000, P | W | (U if n & 1 else 0))
        for n in range(PAGES)
    ]


def _page(n: int) -> str:
    return hex(WINDOW + n % PAGES * 0x1000)


def _edit(page: int, flags: int, how: int) -> str:
    """Change a page's entry as an operating system does: store, then invalidate in one of three ways.

    Odd pages may be global, so that a load of CR3 is not enough for them.
    """
    at = entries().window + 8 * (page % PAGES)
    frame = FRAMES + how // 3 % PAGES * 0x1000
    value = frame | FLAGS[flags % len(FLAGS)] & ~(0 if page & 1 else G)
    after = (
        f"invlpg [{_page(page)}]",
        "mov rax, cr3; mov cr3, rax",
        "mov rax, cr4; xor eax, 0x80; mov cr4, rax; xor eax, 0x80; mov cr4, rax",
    )
    store = (
        f"mov rax, {value:#x}; mov [rbx], rax",
        f"mov rax, {value:#x}; xchg [rbx], rax",
        f"mov dword ptr [rbx], 0; mov eax, {value >> 32:#x}; mov [rbx+4], eax; mov eax, {value & 0xFFFFFFFF:#x}; mov [rbx], eax",
    )
    return (
        f"mov rbx, {at:#x}; {store[how % 3]}; {after[2 if page & 1 and how % 3 == 1 else how % 3]}"
    )


def _large(which: int, flags: int, frame: int) -> str:
    value = (frame % 3) << 21 | PS | FLAGS[flags % 10]
    return f"mov rbx, {entries().large + 8 * (which & 1):#x}; mov rax, {value:#x}; mov [rbx], rax; mov rax, cr4; xor eax, 0x80; mov cr4, rax; xor eax, 0x80; mov cr4, rax"


ACCESSES = (
    "? mov rax, [{p}+{o}]", "? mov [{p}+{o}], rax", "? add qword ptr [{p}+{o}], 3", "? mov al, [{p}+{o}]", "? movups [{p}+{o}], xmm0",
    "? xchg [{p}+{o}], rax", "mov ecx, 3; mov edi, {p}; cld; ? rep stosb", "mov ecx, 4; mov esi, {p}; mov edi, USER_DATA; cld; ? rep movsb",
    "? push qword ptr [{p}+{o}]", "? bts qword ptr [{p}+{o}], 5", "? lock inc dword ptr [{p}+{o}]",
)  # fmt: skip


def _access(page: int, kind: int, offset: int) -> str:
    text = ACCESSES[kind % len(ACCESSES)]
    return text.format(p=_page(page), o=hex(offset % 0xFF8))


def _large_access(which: int, kind: int, offset: int) -> str:
    at = hex(LARGE + (which & 1) * 0x200000 + 0x1F0000)
    return ACCESSES[kind % 6].format(p=at, o=hex(offset % 0xFF8))


def _call(page: int, constant: int, other: int) -> str:
    return f"mov eax, {_page(page)}; ? call rax; add [r14+0x18], rax"


def _patch(page: int, constant: int, other: int) -> str:
    return f"? mov byte ptr [{_page(page)}+1], {constant & 0xFF:#x}"


def _mirror(slot: int, kind: int, page: int) -> str:
    """Map the PML4 into itself, or use or remove that mapping."""
    e = entries()
    root = 0x130000
    window = (
        MIRROR | (WINDOW >> 30 & 511) << 21 | (WINDOW >> 21 & 511) << 12 | (WINDOW >> 12 & 511) * 8
    )
    # one more level of the mirror: its own slot once, so the window's entry is seen as memory
    where = MIRROR | (WINDOW >> 39 & 511) << 30 | window & 0x3FFFFFFF
    texts = (
        f"mov rbx, {e.mirror:#x}; mov rax, {root | P | W:#x}; mov [rbx], rax; mov rax, cr3; mov cr3, rax",
        f"mov rbx, {where:#x}; ? mov rax, [rbx+{8 * (page % PAGES):#x}]",
        f"mov rbx, {where:#x}; ? and qword ptr [rbx+{8 * (page % PAGES):#x}], -3; mov rax, cr3; mov cr3, rax; mov rax, cr4; xor eax, 0x80; mov cr4, rax; xor eax, 0x80; mov cr4, rax",
        f"mov rbx, {e.mirror:#x}; mov qword ptr [rbx], 0; mov rax, cr3; mov cr3, rax",
    )
    return texts[kind % len(texts)]


CONTROLS = (
    "mov rax, cr0; xor eax, 0x10000; mov cr0, rax", "mov rax, cr4; xor eax, 0x100000; mov cr4, rax", "mov rax, cr4; xor eax, 0x200000; mov cr4, rax",
    "stac", "clac", "mov ecx, 0xc0000080; rdmsr; xor eax, 0x800; wrmsr", "mov rax, cr3; mov cr3, rax", "sti; nop; cli", "cli", "sti",
    "mov rax, cr2; mov [r14+0x20], rax", "int 0x80", "? ud2", "xor ecx, ecx; ? div ecx", "cpuid", "mov eax, 3; mov cr8, rax; xor eax, eax; mov cr8, rax",
)  # fmt: skip


def _control(which: int, a: int, b: int) -> str:
    return CONTROLS[which % len(CONTROLS)]


def _mix(seed: int, count: int, b: int) -> str:
    """A few statements of the sequences that translation is tested with; they use RBP as the data page."""
    sequence = Sequence(seed)
    return "\n".join(sequence.statement(2) for _ in range(1 + count % 3))


KERNEL = {
    "edit": _edit, "access": _access, "large": _large, "large access": _large_access, "call": _call, "patch": _patch,
    "mirror": _mirror, "control": _control, "mix": _mix,
}  # fmt: skip


def _service(number: int, a: int, b: int) -> str:
    how = "int 0x80" if number & 1 else "syscall"
    return f"mov eax, {number % 4:#x}; mov ebx, {a % PAGES:#x}; {how}; add r12, rax"


def _user_fault(which: int, a: int, b: int) -> str:
    texts = ("? cli", "? hlt", "? ud2", "xor ecx, ecx; ? div ecx", "? mov rax, cr0", "? in al, 0x70", "int3", "? int 0x30",
             "? mov rax, [0x12345678]", "mov rax, 0x800000000000; ? mov rax, [rax]", "? invlpg [rax]", "? rdmsr")  # fmt: skip
    return texts[which % len(texts)]


def _user_arithmetic(seed: int, a: int, b: int) -> str:
    chance = random.Random(seed)
    names = ("rax", "rbx", "rcx", "rdx", "r8", "r9", "r10")
    operations = [
        f"{chance.choice(('add', 'xor', 'sub', 'imul', 'adc', 'mov', 'or'))} {chance.choice(names)}, {chance.choice(names)}"
        for _ in range(1 + a % 5)
    ]
    return "\n".join([*operations, f"mov [r14+{8 * (b % 64):#x}], {chance.choice(names)}"])


def _user_loop(count: int, a: int, b: int) -> str:
    return f"mov ecx, {1 + count % 40:#x}; again_@: add r13, rcx; mov [r14+0x200], r13; dec ecx; jnz again_@"


USER = {
    "access": _access, "call": _call, "patch": _patch, "service": _service, "fault": _user_fault,
    "arithmetic": _user_arithmetic, "loop": _user_loop,
}  # fmt: skip

_PROLOGUE = """
mov r14, DATA; mov rbp, DATA
mov ecx, 0xc0000081; xor eax, eax; mov edx, 0x1b0008; wrmsr
mov ecx, 0xc0000082; lea rax, [rip+system_call]; mov rdx, rax; shr rdx, 32; wrmsr
mov ecx, 0xc0000084; mov eax, 0x47700; xor edx, edx; wrmsr
mov rcx, CODE_WORDS; mov edi, WINDOW_AT; mov eax, 8
fill: mov [rdi], rcx; add edi, 0x1000; dec eax; jnz fill
mov rbx, APIC; mov dword ptr [rbx+0xf0], 0x1ff; mov dword ptr [rbx+0x3e0], 0xb
mov dword ptr [rbx+0x320], 0x20090; mov dword ptr [rbx+0x380], PERIOD
jmp begin
system_call:
 mov r10, rsp; mov rsp, STACK_OF_CALLS; push rcx; push r11; push rbx; push rdx; call service; pop rdx; pop rbx; pop r11; pop rcx; mov rsp, r10
 sysretq
interrupt_80:
 push rbx; push rdx; call service; pop rdx; pop rbx; iretq
service:
 inc qword ptr [DATA+0x48]; mov rdx, ENTRIES; lea rdx, [rdx+rbx*8]; cmp eax, 1; je protect; cmp eax, 2; je absent; cmp eax, 3; je give; ret
protect: and qword ptr [rdx], -3; jmp changed
absent: and qword ptr [rdx], -2; or qword ptr [rdx], 0x200; jmp changed
give: or qword ptr [rdx], 7
changed: shl ebx, 12; invlpg [rbx+WINDOW_AT]; ret
page_fault:
 push rax; push rbx; mov rax, cr2; sub rax, WINDOW_AT; cmp rax, 0x8000; jae not_ours; shr rax, 12; mov rbx, ENTRIES; lea rbx, [rbx+rax*8]
 test byte ptr [rbx], 1; jnz not_ours; test dword ptr [rbx], 0x200; jz not_ours
 xor qword ptr [rbx], 0x201; pop rbx; pop rax; add rsp, 8; iretq
not_ours: mov rax, cr2; cmp rax, [rsp+0x18]; jne not_fetched; inc qword ptr [DATA+0x50]
 stac; mov rax, [rsp+0x30]; mov rax, [rax]; mov [rsp+0x18], rax; add qword ptr [rsp+0x30], 8; clac; pop rbx; pop rax; add rsp, 8; iretq
not_fetched: pop rbx; pop rax; jmp DEFAULT
pool: .quad 0x1122334455667788, 0x99aabbccddeeff00
gdt_pointer: .short 0x7f
.quad GDT
idt_pointer: .short 0xfff
.quad IDT
begin:
"""
_TO_USER = """
push 2; popfq; mov rax, cr4; and eax, 0xffdfffff; mov cr4, rax; mov ecx, 0xc0000080; rdmsr; or eax, 0x801; wrmsr; xor eax, eax; mov cr8, rax
mov rbp, DATA; mov r14, USER_DATA; xor r12d, r12d; xor r13d, r13d; mov rsp, STACK
push DATA3; push USER_STACK; push 0x202; push CODE3; push USER; iretq
"""
_USER_END = "; mov edx, 0xf4; xor eax, eax; out dx, eax"
_KERNEL_END = "\ncli; xor eax, eax; mov cr8, rax\n"


def _text(statements: tuple[Statement, ...], kinds: dict[str, object], label: str) -> str:
    lines = []
    for number, (name, a, b, c) in enumerate(statements):
        text = kinds[name](a, b, c)  # type: ignore[operator]
        text = text.replace("label_", f"{label}_{number}_").replace(
            "again_@", f"{label}_again_{number}"
        )
        text += (
            "\nmov rsp, STACK; mov rbp, DATA; mov r14, DATA"
            if label == "k"
            else "\nmov rsp, USER_STACK"
        )
        lines.append(text)
    return "\n".join(lines)


def guest(kernel: tuple[Statement, ...], user: tuple[Statement, ...], period: int) -> SmallGuest:
    """The program as a guest; without user statements it stays in its kernel."""
    words = int.from_bytes(bytes.fromhex(CODE), "little")
    head = _PROLOGUE
    for name, value in (
        ("CODE_WORDS", words), ("WINDOW_AT", WINDOW), ("STACK_OF_CALLS", 0xFFFFFFFF801DE800), ("ENTRIES", entries().window),
        ("DEFAULT", 0xFFFFFFFF80106000 + 16 * 14), ("PERIOD", 100 + period % 2000),
    ):  # fmt: skip
        head = head.replace(name, hex(value))
    text = head + _text(kernel, KERNEL, "k") + (_TO_USER if user else _KERNEL_END)
    gates = {14: {"handler": "page_fault"}, 0x80: {"handler": "interrupt_80", "dpl": 3}}
    return SmallGuest(text, user=_text(user, USER, "u") + _USER_END, gates=gates, pages=_pages())
