"""Guest loops for measuring host speed: arithmetic, memory streaming, pointer chasing, branches, calls."""

from __future__ import annotations

from dataclasses import dataclass

from keystone import KS_ARCH_X86, KS_MODE_64, Ks

from hardware_model import boot
from hardware_model.assembly_numbers import hexadecimal
from hardware_model.boot import CpuState
from hardware_model.machine import Machine
from techniques.guest import GuestImage, GuestMemory

RAM = 64 << 20
DATA = boot.KERNEL_BASE + 0x1000000
_FIRST_DATA_PAGE = 0x1000000 >> 21
_LARGE_NO_EXECUTE = 0x83 | 1 << 63
_ENTRY = boot.KERNEL_BASE + boot.IMAGE_BASE


#: RCX counts down, RDI and RSI point to data.
_COUNTED = f"""
 mov rsp, {DATA + 0x800000}; mov rcx, {{times}}; mov rdi, {DATA}
 mov rsi, {DATA + 0x400000}; xor r8, r8; mov r9, 12345
 jmp top
 .align 64
top:
 {{body}}
 dec rcx
 jnz top
 {{end}}
"""
#: The page of the code is made a user page, and a loop at CPL 3 calls the kernel, which returns.
#: (SYSRETQ is given in bytes: the assembler does not know it.)
_SYSTEM_CALLS = f"""
 or qword ptr [{boot.PML4 + 511 * 8}], 4; or qword ptr [{boot.KERNEL_PDPT + 510 * 8}], 4
 or qword ptr [{boot.DIRECTORY}], 4; mov rax, cr3; mov cr3, rax
 mov ecx, 0xc0000081; xor eax, eax; mov edx, 0x80008; wrmsr
 mov ecx, 0xc0000082; lea rax, [rip + entry]; mov rdx, rax; shr rdx, 32; wrmsr
 mov ecx, 0xc0000084; xor eax, eax; xor edx, edx; wrmsr
 mov rbx, {{times}}; lea rcx, [rip + top]; mov r11d, 2
 .byte 0x48, 0x0f, 0x07
 .align 64
top:
 {{body}}
 syscall
 jmp top
entry:
 dec rbx
 jz done
 .byte 0x48, 0x0f, 0x07
done:
 {{end}}
"""


@dataclass(frozen=True, slots=True)
class Loop:
    """One loop: assembly `body` executed `times` times, with `floor`, the least speed relative to the bare engine."""

    name: str
    body: str
    times: int
    floor: float
    frame: str = _COUNTED

    def code(self, end: str = "hlt") -> bytes:
        """The loop as an image, finished by the instructions `end`."""
        assembler = Ks(KS_ARCH_X86, KS_MODE_64)
        source = self.frame.format(times=self.times, body=self.body, end=end)
        code, _ = assembler.asm(hexadecimal(source), _ENTRY)
        return bytes(code or b"")

    def load(self, engine: boot.Memory, end: str = "hlt") -> CpuState:
        """Load the loop; the state to start with."""
        state = boot.load(engine, RAM, self.code(end), [])
        for page in range(_FIRST_DATA_PAGE, RAM >> 21):
            entry = (page << 21) | _LARGE_NO_EXECUTE
            engine.write(boot.DIRECTORY + 8 * page, entry.to_bytes(8, "little"))
        return state


LOOPS = (
    Loop(
        "alu",
        "add rax, rcx; xor rbx, rax; lea rdx, [rax+rbx]; imul r10, rdx, 7; sub r11, r10; ror r11, 3; add r12, r11",
        6_000_000,
        0.5,
    ),
    Loop(
        "stream",
        "mov rax, [rdi+r8]; mov rbx, [rdi+r8+8]; mov rdx, [rdi+r8+16]; mov r10, [rdi+r8+24]; add rax, rbx;"
        "mov [rsi+r8], rax; mov [rsi+r8+8], rdx; mov [rsi+r8+16], r10; add r8, 32; and r8, 0xfffe0",
        3_000_000,
        0.75,
    ),
    Loop(
        "pointer-chase",
        "imul r9, r9, 1103515245; add r9, 12345; mov r8, r9; and r8, 0x1ffff8; mov rax, [rdi+r8]; add rbx, rax",
        3_000_000,
        0.5,
    ),
    Loop(
        "branchy",
        "imul r9, r9, 1103515245; add r9, 12345; test r9d, 0x10000; jz a1; inc rax;"
        "a1: test r9d, 0x20000; jz a2; inc rbx; a2: test r9d, 0x40000; jz a3; inc rdx;"
        "a3: test r9d, 0x80000; jz a4; inc r10; a4: nop",
        2_000_000,
        0.5,
    ),
    Loop(
        "call-return",
        "call f1; call f2; jmp over; f1: inc rax; ret; f2: inc rbx; call f1; ret; over: nop",
        2_000_000,
        0.5,
    ),
)
#: Not among LOOPS: the bare engine passes over SYSCALL as if it were a NOP.
SYSTEM_CALL = Loop("system-call", "inc rax", 500_000, 0.5, _SYSTEM_CALLS)

#: The nearest to it that the engine alone can run: a SYSCALL that does nothing.
IDLE_SYSTEM_CALL = Loop("system-call", "inc rax; syscall", 500_000, 0.5)


def accounted_machine() -> tuple[Machine, GuestMemory]:
    """A machine with everything on, and its memory as a guest's."""
    machine = Machine(RAM)
    return machine, GuestMemory(machine.memory, 0, RAM)


def image(loop: Loop) -> GuestImage:
    """The loop for a technique."""
    return GuestImage(loop.code(), [], {}, RAM)
