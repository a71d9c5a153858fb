"""Hostile guests: forged and recursive page tables, games with IDT, GDT and stacks, floods of everything that costs a VMM memory.

Each is a kernel for `small_guest` and says how it ends natively. `VMM_REGION` is where binary translation keeps its own
things in every address space, until the guest maps something there (PML4 slot 271).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hardware_model.machine import End
from tests.small_guest import KERNEL, SmallGuest

VMM_REGION = 0xFFFF_8780_0000_0000
NOWHERE = 0x1234_5000  # a linear address that nothing maps
BEYOND = 1 << 36  # a physical address where there is no memory
ROOT = 0x130000  # physical address of the PML4
FREE = 0xFFFF_FFFF_8030_0000  # linear: 5 MiB that nothing else uses, 0x300000 physical
FREE_PAGES, CODE_PAGES = 1200, 250
_P, _W, _U = 1, 2, 4


@dataclass(frozen=True)
class Hostile:
    """A guest's text, how it ends, and arguments of `SmallGuest`; `budget` in instructions."""

    text: str
    end: End
    options: dict[str, Any] = field(default_factory=dict)
    budget: int = 20_000

    def guest(self) -> SmallGuest:
        """The guest, to be booted."""
        return SmallGuest(self.text, **self.options)


def _table(instruction: str, base: int, then: str, limit: int = 0xFFF) -> str:
    return f"{instruction} [rip+hostile]; {then}; hostile: .short {limit:#x}; .quad {base:#x}"


def _mapped(physical: int, flags: int = _P | _W) -> dict[str, Any]:
    return {"pages": [(0x700000, physical, flags)]}


_DOUBLE_FAULT_ON_THE_SAME_STACK = {"gates": {8: {"ist": 0}}}
_MAP_SELF = f"mov rbx, {ROOT + 0xFFFF_FFFF_8000_0000:#x}; mov rax, {ROOT | 3:#x}; mov [rbx+0x320], rax; mov rax, cr3; mov cr3, rax"
_SELF = 100 << 39 | 100 << 30 | 100 << 21 | 100 << 12  # the PML4 through slot 100 of itself
_COPY_ROOT = f"""
 mov r8, {FREE:#x}; mov r9d, {FREE_PAGES}
next_root:
 mov rsi, {ROOT + 0xFFFF_FFFF_8000_0000:#x}; mov rdi, r8; mov ecx, 512; cld; rep movsq
 mov rax, r8; mov rbx, 0xffffffff80000000; sub rax, rbx; mov cr3, rax; mov rax, [USER_DATA]
 add r8, 0x1000; dec r9d; jnz next_root
"""
_PAGES_OF_CODE = f"""
 mov rdi, {FREE:#x}; mov ecx, {CODE_PAGES * 0x1000:#x}; mov al, 0xc3; cld; rep stosb
 mov rbx, {FREE:#x}; mov ecx, {CODE_PAGES * 16 - 16}
next_page:
 call rbx; add rbx, 0x101; loop next_page
"""
_SCRATCH_TABLES = f"""
 mov rdi, {FREE:#x}; mov ecx, 0x1000; mov rax, 0x9e3779b97f4a7c15; mov rbx, rax; cld
fill: stosq; imul rax, rbx; add rax, 0x11; loop fill
 mov rbx, {ROOT + 0xFFFF_FFFF_8000_0000:#x}; mov rax, 0x300007; mov ecx, 64; lea rdi, [rbx+0x400]
point: mov [rdi], rax; add rdi, 8; add rax, 0x1000; and rax, 0x307007; loop point
 mov rax, cr3; mov cr3, rax
"""
_WILD = "\n".join(
    f"mov rax, {slot << 39 | slot * 0x9E3779B97F4A & 0x7F_FFFF_F000:#x}; ? mov rbx, [rax]; ? mov [rax+8], rax"
    for slot in range(128, 192, 2)
)
_MSRS = (0x10, 0x1B, 0x174, 0x175, 0x277, 0x2FF, 0x3A, 0x480, 0x1D9, 0x8B, 0xC0000080, 0xC0000081, 0xC0000101, 0xC0000102,
         0xC0000103, 0xC0010114, 0xDEADBEEF, 0x7FFFFFFF, 0x40000000)  # fmt: skip
_MSR_FLOOD = "\n".join(
    f"mov ecx, {msr:#x}; ? rdmsr; mov edx, {0x8BADF00D * (msr & 7) & 0xFFFFFFFF:#x}; mov eax, 0xfff00000; ? wrmsr"
    for msr in _MSRS
)
_CONTROL_FLOOD = "\n".join(
    f"mov rax, {value:#x}; ? mov cr{number}, rax"
    for number in (0, 4, 8)
    for value in (0, 1 << 63, 1 << 32, 0x80000000, 0x20000001, 0xFFFFFFFF, 1 << 22, 1 << 17, 0x10)
)
_VIRTUALIZATION = "\n".join(
    f"? {name}"
    for name in ("vmcall", "vmlaunch", "vmresume", "vmxoff", "vmptrld [DATA]", "vmclear [DATA]", "vmxon [DATA]",
                 "vmread rax, rbx", "vmwrite rax, rbx", "vmmcall", "vmrun rax", "skinit eax", "stgi", "clgi", "rsm")
)  # fmt: skip
_APIC_FLOOD = "mov rbx, APIC\n" + "\n".join(
    f"mov dword ptr [rbx+{offset:#x}], {offset * 0x01010101 & 0xFFFFFFFF:#x}; mov eax, [rbx+{offset:#x}]"
    for offset in range(0, 0x400, 16)
    if offset not in (0x300, 0x310)  # interrupts to itself are in another guest
)

HOSTILE: dict[str, Hostile] = {
    # IDT
    "an IDT that is not mapped": Hostile(_table("lidt", NOWHERE, "ud2"), End.TRIPLE_FAULT),
    "an IDT at no address": Hostile(_table("lidt", 1 << 47, "ud2"), End.TRIPLE_FAULT),
    "an IDT where there is no memory": Hostile(
        _table("lidt", 0x700000, "ud2"), End.TRIPLE_FAULT, _mapped(BEYOND)
    ),
    "an IDT of zeros": Hostile(
        _table("lidt", 0x700000, "ud2"), End.TRIPLE_FAULT, _mapped(0x240000)
    ),
    "an IDT that ends before the vector": Hostile(
        _table("lidt", 0xFFFF_FFFF_8010_1000, "ud2", limit=0x2F), End.TRIPLE_FAULT
    ),
    "a read-only IDT": Hostile(
        _table("lidt", 0x700000, "? ud2"), End.EXITED, _mapped(0x101000, _P)
    ),
    # GDT and TSS
    "a GDT that is not mapped": Hostile(
        _table("lgdt", NOWHERE, "mov eax, DATA0; mov ds, eax"), End.TRIPLE_FAULT
    ),
    "a GDT without entries": Hostile(_table("lgdt", NOWHERE, "ud2", limit=0), End.TRIPLE_FAULT),
    "a GDT where there is no memory": Hostile(
        _table("lgdt", 0x700000, "ud2"), End.TRIPLE_FAULT, _mapped(BEYOND)
    ),
    "a stack for ring 0 that is not mapped": Hostile(
        f"mov rax, {NOWHERE}; mov [TSS+4], rax; push DATA3; push USER_STACK; push 2; push CODE3; push USER; iretq",
        End.TRIPLE_FAULT,
        {"user": "int 0x80", **_DOUBLE_FAULT_ON_THE_SAME_STACK},
    ),
    # stacks
    "a stack that is not mapped": Hostile(
        f"mov rsp, {NOWHERE}; push rax", End.TRIPLE_FAULT, _DOUBLE_FAULT_ON_THE_SAME_STACK
    ),
    "a stack at no address": Hostile(
        "mov rsp, 0x800000000000; push rax", End.TRIPLE_FAULT, _DOUBLE_FAULT_ON_THE_SAME_STACK
    ),
    "an interrupt stack that is not mapped": Hostile(
        f"mov rax, {NOWHERE}; mov [TSS+0x24], rax; mov rsp, rax; push rax", End.TRIPLE_FAULT
    ),
    "faults on one interrupt stack for ever": Hostile(
        f"mov rax, [{NOWHERE:#x}]; again: mov rax, [{NOWHERE:#x}]",
        End.BUDGET,
        {"gates": {14: {"handler": "again", "ist": 1}}},
    ),
    # faults for ever
    "a page fault for ever": Hostile(
        f"mov rax, [{NOWHERE:#x}]; back: add rsp, 8; iretq",
        End.BUDGET,
        {"gates": {14: {"handler": "back"}}},
        4_000,
    ),
    "an invalid instruction for ever": Hostile(
        "ud2; back: iretq", End.BUDGET, {"gates": {6: {"handler": "back"}}}, 4_000
    ),
    "handlers that fault until the stack has eaten everything": Hostile(
        "again: nop; ud2",
        End.TRIPLE_FAULT,
        {"gates": {6: {"handler": "again"}}, "kernel_page": 4096},
        10_000_000,
    ),
    # page tables
    "a root of zeros": Hostile("mov eax, 0x300000; mov cr3, rax", End.TRIPLE_FAULT),
    "a root where there is no memory": Hostile(
        f"mov rax, {BEYOND:#x}; mov cr3, rax", End.TRIPLE_FAULT
    ),
    "a root that is the kernel's code": Hostile(
        f"mov rax, {KERNEL & 0x7FFFF000:#x}; mov cr3, rax", End.TRIPLE_FAULT
    ),
    "a root with reserved bits set": Hostile(
        f"mov rbx, {FREE:#x}; mov ecx, 512; mov rax, -1; mov rdi, rbx; cld; rep stosq; mov eax, 0x300000; mov cr3, rax",
        End.TRIPLE_FAULT,
    ),
    "a root that maps itself, read and written": Hostile(
        f"{_MAP_SELF}; mov rbx, {_SELF:#x}; mov rax, [rbx+0x320]; mov [rbx+0x328], rax; invlpg [rbx]; mov rax, [rbx+0x328]",
        End.EXITED,
    ),
    "the kernel unmapped through a root that maps itself": Hostile(
        f"{_MAP_SELF}; mov rbx, {_SELF:#x}; mov qword ptr [rbx+0xff8], 0; mov rax, cr3; mov cr3, rax",
        End.TRIPLE_FAULT,
    ),
    "a root as the table of every level": Hostile(
        f"{_MAP_SELF}; mov ecx, 200; mov rbx, {100 << 39:#x}\nwalk: ? mov rax, [rbx]; mov rdx, 0x40201000; add rbx, rdx; loop walk",
        End.EXITED,
    ),
    "tables of random numbers": Hostile(_SCRATCH_TABLES + _WILD, End.EXITED, budget=200_000),
    "a stack of page tables": Hostile(
        f"mov rsp, {ROOT + 0xFFFF_FFFF_8000_0800:#x}; push rax; push rax; ud2", End.EXITED
    ),
    # where the VMM is
    "a jump into the VMM's region": Hostile(f"mov rax, {VMM_REGION:#x}; jmp rax", End.EXITED),
    "a return into the VMM's region": Hostile(
        f"mov rax, {VMM_REGION + 0x100000:#x}; push rax; ret", End.EXITED
    ),
    "a call of the VMM's region from CPL 3": Hostile(
        "push DATA3; push USER_STACK; push 2; push CODE3; push USER; iretq",
        End.EXITED,
        {"user": f"mov rax, {VMM_REGION:#x}; ? mov rbx, [rax]; ? mov [rax], rbx; call rax"},
    ),
    # floods
    "a thousand roots": Hostile(_COPY_ROOT, End.EXITED, budget=2_000_000),
    "hundreds of pages of code": Hostile(_PAGES_OF_CODE, End.EXITED, budget=2_000_000),
    "model-specific registers at random": Hostile(_MSR_FLOOD, End.EXITED),
    "control registers at random": Hostile(_CONTROL_FLOOD, End.EXITED),
    "the instructions of a hypervisor": Hostile(_VIRTUALIZATION, End.EXITED),
    "every register of the local APIC": Hostile(_APIC_FLOOD, End.EXITED),
    "every port from 0x400 on": Hostile(
        "mov edx, 0x400\nnext: in al, dx; out dx, al; inc edx; cmp edx, 0x600; jne next", End.EXITED
    ),
    "interrupts to itself without end": Hostile(
        "mov rbx, APIC; mov dword ptr [rbx+0xf0], 0x1ff; sti\nnext: mov dword ptr [rbx+0x300], 0x40041; jmp next\n"
        "quiet: push rbx; mov rbx, APIC; mov dword ptr [rbx+0xb0], 0; pop rbx; iretq",
        End.BUDGET,
        {"gates": {0x41: {"handler": "quiet"}}},
        8_000,
    ),
    # rest
    "a halt with interrupts off": Hostile("cli; hlt", End.HALTED),
    "an endless loop": Hostile("again: jmp again", End.BUDGET),
}
