"""A loop of the benchmarks as the ROM of a PC without firmware: what `boot.load` does to a machine's memory and
processor, done by 16-bit code from the reset vector on.

    0x0000   memory from 0x500 on: boot information, GDT, page tables    copied to 0x500
    0x8000   the image                                                   copied to 1 MiB
    0xf000   the code that copies, enters long mode and jumps to the image
    0xfff0   the reset vector
"""

from __future__ import annotations

from keystone import KS_ARCH_X86, KS_MODE_16, KS_MODE_64, Ks

from benchmarks.loops import Loop
from hardware_model import boot
from hardware_model.assembly_numbers import hexadecimal
from hardware_model.boot import CpuState

BYTES = 0x10000
_SEGMENT, _BASE = 0xF000, 0xF0000
_TABLES, _IMAGE, _CODE, _RESET = 0, 0x8000, 0xF000, 0xFFF0
_LOW, _LOW_END = boot.BOOT_INFORMATION, 0x5000
_LME, _LMA = 1 << 8, 1 << 10

#: Ends the guest under every simulator: isa-debug-exit, as our machine and QEMU have it, then Bochs' own port.
END = (
    "xor eax, eax; mov edx, 0xf4; out dx, eax; jmp bochs; bochs: mov edx, 0x8900; "
    + "; ".join(f"mov al, {ord(letter)}; out dx, al" for letter in "Shutdown")
    + "; hlt"
)

_REAL_MODE = f"""
 cli; cld; mov ax, {_SEGMENT}; mov ds, ax; mov ax, {_LOW >> 4}; mov es, ax
 xor si, si; xor di, di; mov cx, {_LOW_END - _LOW}; rep movsb
 in al, 0x92; or al, 2; out 0x92, al
 lgdt [{{gdt}}]
 mov eax, {{cr4}}; mov cr4, eax; mov eax, {{cr3}}; mov cr3, eax
 mov ecx, 0xc0000080; xor edx, edx; mov eax, {{efer}}; wrmsr
 mov eax, {{cr0}}; mov cr0, eax
"""
_LONG_MODE = """
 mov ax, 0x10; mov ds, ax; mov es, ax; mov ss, ax; mov fs, ax; mov gs, ax
 mov esi, {source}; mov edi, {target}; mov ecx, {count}; rep movsb
 xor eax, eax; mov ebx, eax; mov ecx, eax; mov edx, eax; mov esi, eax; mov ebp, eax
 mov r8, {rsp}; mov rsp, r8; push 2; popfq; mov r9, {rip}; xor r8, r8; mov edi, {rdi}
 jmp r9
"""


class _Recorder:
    """Guest-physical memory as far as a loop writes it before the guest runs."""

    def __init__(self) -> None:
        self.low = bytearray(_LOW_END)
        self.image = b""

    def write(self, address: int, data: bytes) -> None:
        """Keep `data`."""
        if address == boot.IMAGE_BASE:
            self.image = data
        else:
            assert address >= _LOW and address + len(data) <= _LOW_END
            self.low[address : address + len(data)] = data


def rom(loop: Loop) -> bytes:
    """The ROM that runs `loop` and ends the simulator."""
    memory = _Recorder()
    state = loop.load(memory, END)
    assert len(memory.image) <= _CODE - _IMAGE
    code = _boot_code(state, len(memory.image))
    assert len(code) <= _RESET - _CODE
    parts = {
        _TABLES: bytes(memory.low[_LOW:]),
        _IMAGE: memory.image,
        _CODE: code,
        _RESET: b"\xea" + _CODE.to_bytes(2, "little") + _SEGMENT.to_bytes(2, "little"),
    }
    content = bytearray(BYTES)
    for at, data in parts.items():
        content[at : at + len(data)] = data
    return bytes(content)


def _boot_code(state: CpuState, image_bytes: int) -> bytes:
    real = _assemble(KS_MODE_16, _real_mode(state, gdt=0xFFFF))
    table = _CODE + len(real) + 8  # behind the far jump
    real = _assemble(KS_MODE_16, _real_mode(state, gdt=table))
    descriptor = state.gdtr[1].to_bytes(2, "little") + state.gdtr[0].to_bytes(6, "little")
    target = _BASE + table + len(descriptor)
    jump = b"\x66\xea" + target.to_bytes(4, "little") + state.code.selector.to_bytes(2, "little")
    return real + jump + descriptor + _assemble(KS_MODE_64, _long_mode(state, image_bytes))


def _real_mode(state: CpuState, gdt: int) -> str:
    efer = (state.efer | _LME) & ~_LMA
    return _REAL_MODE.format(gdt=gdt, cr0=state.cr0, cr3=state.cr3, cr4=state.cr4, efer=efer)


def _long_mode(state: CpuState, count: int) -> str:
    return _LONG_MODE.format(
        source=_BASE + _IMAGE,
        target=boot.IMAGE_BASE,
        count=count,
        rsp=state.rsp,
        rip=state.rip,
        rdi=state.gpr[7],
    )


def _assemble(mode: int, source: str) -> bytes:
    code, _ = Ks(KS_ARCH_X86, mode).asm(hexadecimal(source))
    return bytes(code or b"")
