"""Small guests for tests: assembly on a machine with descriptor tables, page tables and handlers that log events.

A kernel text starts at CPL 0 with interrupts off and ends with guest status 0 unless it ends otherwise. A line that begins
with `?` may fault: the handler logs the event and resumes behind the line. Linear addresses (physical ones are the same
less KERNEL_BASE, unless noted):

    IDT, GDT, TSS (with I/O bitmap), handlers     1 MiB + 4 KiB ...
    KERNEL    the kernel text, one supervisor page size of 2 MiB
    USER      the user text at CPL 3, 4 KiB pages at 4 MiB
    DATA      a supervisor page for anything; USER_DATA one for CPL 3, no-execute
    APIC      the local APIC's registers
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
from keystone import KS_ARCH_X86, KS_MODE_64, Ks

from hardware_model import boot
from hardware_model.assembly_numbers import hexadecimal
from hardware_model.descriptors import Gate, code64, data, tss_descriptor
from hardware_model.mmu.paging import Entry, PageTables
from hardware_model.task_state import TaskState

RAM = 8 << 20
VA = boot.KERNEL_BASE
_AT = boot.IMAGE_BASE
IDT, GDT, TSS, STUBS, COMMON, FIXUPS = (VA + _AT + n * 0x1000 for n in (1, 2, 3, 6, 7, 8))
KERNEL, _USER_PHYSICAL, TABLES, _IMAGE_END = VA + 0x110000, 0x120000, 0x130000, 0x140000
LOG, DATA = VA + 0x200000, VA + 0x210000
STACK, RING0_STACK, IST1, RING1_STACK = (VA + n for n in (0x1F0000, 0x1E0000, 0x1D0000, 0x1B0000))
USER, USER_STACK, USER_DATA = 0x400000, 0x501000, 0x600000
APIC = 0xFFFF_FFFF_C000_0000
CODE0, DATA0, DATA3, CODE3, TASK, CODE1, DATA1, ABSENT = (
    0x08,
    0x10,
    0x23,
    0x2B,
    0x30,
    0x41,
    0x49,
    0x50,
)
NAMES = {
    name: value
    for name, value in globals().items()
    if name.lstrip("_").isupper() and isinstance(value, int)
}
BEGIN, FINISH = (f"\n.byte 0x0f,0x1f,0x84,0x00\n.long {n:#x}\n" for n in (0x7B900001, 0x7B900002))
EXIT = "mov edx, 0xf4\n xor eax, eax\n out dx, eax\n"
_NAME = re.compile(r"\b([A-Z]+[0-9]?(?:_[A-Z]+)*)\b(?:\s*\+\s*(0x[0-9a-f]+))?")
_LABEL = re.compile(r"^\s*(\w+:)", re.MULTILINE)
_SYSRETQ = ".byte 0x48, 0x0f, 0x07"  # the assembler does not know it
_WITH_ERROR = frozenset({8, 10, 11, 12, 13, 14, 17})
_OPEN_TO_USER = (1, 3, 4, *range(0x80, 0x100))
_EOI = f"mov rbx, {APIC + 0xB0:#x}; mov dword ptr [rbx], 0;"
_COMMON = f"""
 push rax; push rbx; push rcx; push rdx; push rsi
 rdtsc; mov rbx, {LOG:#x}; mov rsi, [rbx]; inc qword ptr [rbx]; shl rsi, 7; lea rbx, [rbx+rsi+128]; xor esi, esi
 mov [rbx+64], eax; mov [rbx+68], edx
copy:
 mov rcx, [rsp+rsi*8+40]; mov [rbx+rsi*8], rcx; inc esi; cmp esi, 7; jne copy
 mov rcx, cr2; mov [rbx+56], rcx
 mov rcx, [rsp+40]
 cmp ecx, 0x20; jb exception; cmp ecx, 0x80; jae done
 {_EOI} jmp done
exception:
 mov rsi, {FIXUPS:#x}; mov rcx, [rsp+56]
search:
 lodsq; test rax, rax; je unexpected; cmp rax, rcx; lodsq; jne search
 mov [rsp+56], rax; jmp done
unexpected:
 mov rax, [rsp+40]; cmp al, 1; je done; cmp al, 3; je done; cmp al, 4; je done
 or eax, 0x100; mov edx, 0xf4; out dx, eax
done:
 pop rsi; pop rdx; pop rcx; pop rbx; pop rax; add rsp, 16; iretq
"""


@lru_cache(maxsize=512)
def assemble(text: str, base: int = KERNEL) -> tuple[bytes, dict[str, int]]:
    """Machine code at `base` and the addresses of its labels; `?` lines get labels fault_N and after_N."""
    lines, labels = [], []
    for statement in _LABEL.sub(r"\1\n", text.replace(";", "\n")).splitlines():
        statement = hexadecimal(statement.strip())
        statement = _NAME.sub(_value, statement.replace("sysretq", _SYSRETQ))
        if statement.startswith("?"):
            number = sum(label.startswith("fault_") for label in labels)
            labels += [f"fault_{number}", f"after_{number}"]
            lines += [f"fault_{number}:", statement[1:], f"after_{number}:"]
        else:
            lines.append(statement)
            if statement.endswith(":"):
                labels.append(statement[:-1])
    table = "\n.quad " + ", ".join(labels) if labels else ""
    code = Ks(KS_ARCH_X86, KS_MODE_64).asm("\n".join(lines) + table, base, as_bytes=True)[0] or b""
    size = len(code) - 8 * len(labels)
    return code[:size], dict(
        zip(labels, struct.unpack(f"<{len(labels)}Q", code[size:]), strict=True)
    )


def _value(name: re.Match[str]) -> str:
    return hex(NAMES[name[1]] + int(name[2] or "0", 16)) if name[1] in NAMES else name[0]


@dataclass
class SmallGuest:
    """A guest: `text` at CPL 0, `user` at CPL 3; `gates` replaces IDT entries, keyed by vector.

    `pages` adds (linear, physical, leaf flags) 4 KiB mappings, `ports` opens ports to CPL 3 and CPL 1.
    """

    text: str
    user: str = ""
    gates: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)
    pages: Iterable[tuple[int, int, int]] = ()
    ports: Iterable[int] = range(0xF4, 0xF8)
    task_limit: int = 0x68 + 8192
    kernel_page: int = 1 << 21

    def __post_init__(self) -> None:
        code, self.symbols = assemble(self.text + "\n" + EXIT)
        user, user_symbols = assemble(self.user, USER)
        self.symbols |= {f"user.{name}": address for name, address in user_symbols.items()}
        self._image = np.zeros(_IMAGE_END - _AT, np.uint8)
        self._tables = PageTables(self._image.view(np.uint64), TABLES, 0x10000, -_AT)
        self._map()
        self._put(KERNEL, code)
        self._put(VA + _USER_PHYSICAL, user)
        self._descriptors()
        self._handlers()
        self._put(VA + _AT, self._prologue())

    @property
    def image(self) -> bytes:
        """What the boot protocol loads."""
        return self._image.tobytes()

    def _put(self, linear: int, content: bytes) -> None:
        at = linear - VA - _AT
        self._image[at : at + len(content)] = np.frombuffer(content, np.uint8)

    def _map(self) -> None:
        user, no_execute = int(Entry.P | Entry.RW | Entry.US), int(Entry.NX)
        put = self._tables.map
        put(VA, 0, RAM, page_size=self.kernel_page)
        put(USER, _USER_PHYSICAL, 0x10000, user)
        put(USER_STACK - 0x1000, 0x1C0000, 0x1000, user | no_execute)
        put(USER_DATA, 0x220000, 0x1000, user | no_execute)
        put(APIC, 0xFEE00000, 0x1000, int(Entry.P | Entry.RW | Entry.PCD))
        for linear, physical, flags in self.pages:
            put(linear, physical, 0x1000, flags)

    def _descriptors(self) -> None:
        rows = [
            bytes(8),
            code64().encode(),
            data().encode(),
            bytes(8),
            data(3).encode(),
            code64(3).encode(),
        ]
        rows += [
            tss_descriptor(TSS, self.task_limit).encode(),
            code64(1).encode(),
            data(1).encode(),
        ]
        self._put(GDT, b"".join(rows) + (0x00CF13000000FFFF).to_bytes(8, "little"))
        bitmap = bytearray(b"\xff" * 8193)
        for port in self.ports:
            bitmap[port >> 3] &= ~(1 << (port & 7))
        stacks = TaskState((RING0_STACK, RING1_STACK, 0), (IST1, 0, 0, 0, 0, 0, 0), 0x68)
        self._put(TSS, stacks.encode() + bytes(bitmap))

    def _handlers(self) -> None:
        self._put(COMMON, assemble(_COMMON, COMMON)[0])
        for vector in range(256):
            push = "" if vector in _WITH_ERROR else "push 0;"
            self._put(STUBS + 16 * vector, _stub(push, vector))
            options: dict[str, Any] = {
                "dpl": 3 if vector in _OPEN_TO_USER else 0,
                "ist": int(vector == 8),
            }
            options |= self.gates.get(vector, {})
            handler = (
                self.symbols[options.pop("handler")]
                if "handler" in options
                else STUBS + 16 * vector
            )
            self._put(IDT + 16 * vector, Gate(handler, CODE0, **options).encode())
        pairs = [
            (a, self.symbols[n.replace("fault_", "after_")])
            for n, a in self.symbols.items()
            if "fault_" in n
        ]
        self._put(FIXUPS, b"".join(struct.pack("<2Q", *pair) for pair in pairs))

    def _prologue(self) -> bytes:
        return assemble(
            f"mov eax, {TABLES:#x}; mov cr3, rax; lgdt [rip+gdtr]; lidt [rip+idtr]; mov ax, {TASK}; ltr ax;"
            f"mov rsp, {STACK:#x}; xor eax, eax; xor edi, edi; jmp {KERNEL:#x};"
            f"gdtr:; .short 0x7f; .quad {GDT:#x}; idtr:; .short 0xfff; .quad {IDT:#x}",
            VA + _AT,
        )[0]


@lru_cache(maxsize=512)
def _stub(push: str, vector: int) -> bytes:
    return assemble(f"{push} push {vector}; jmp {COMMON:#x}", STUBS + 16 * vector)[0]
