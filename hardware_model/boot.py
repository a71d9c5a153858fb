"""Our own boot protocol: a flat image at 1 MiB, entered in long mode.

Guest-physical map at entry:
    0x00000500  boot information: magic, RAM bytes, image base, image bytes, 16 parameters (u64 each)
    0x00000800  GDT: null, 0x08 code, 0x10 data
    0x00001000  PML4, then page directories: the first GiB (or all RAM) in 2 MiB pages at 0 and at KERNEL_BASE
    0x00007c00  top of the boot stack
    0x00100000  image; entry = first byte
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from hardware_model.executor.registers import Registers, Segment

MAGIC = 0x54_52_41_50_42_4E_43_48  # "TRAPBNCH"
BOOT_INFORMATION = 0x500
GDT = 0x800
PML4 = 0x1000
_IDENTITY_PDPT, KERNEL_PDPT, DIRECTORY = 0x2000, 0x3000, 0x4000
STACK_TOP = 0x7C00
IMAGE_BASE = 0x100000
KERNEL_BASE = 0xFFFFFFFF80000000
PARAMETERS = 16
_PAGE_2M = 1 << 21
_TABLE, _LARGE = 0x03, 0x83  # P|RW and P|RW|PS

CODE64 = Segment(0x08, 0, 0xFFFFFFFF, 0x00AF9B00)
DATA = Segment(0x10, 0, 0xFFFFFFFF, 0x00CF9300)
NO_LDT = Segment(0, 0, 0, 0x00008200)
BOOT_TSS = Segment(0, 0, 0x67, 0x00008B00)


class Memory(Protocol):
    """Guest-physical memory."""

    def write(self, address: int, data: bytes) -> None:
        """Store `data`."""


@dataclass(frozen=True, slots=True)
class CpuState:
    """The registers a processor starts with; those not named are zero."""

    rip: int
    rsp: int
    cr3: int
    gpr: dict[int, int] = field(default_factory=dict)  # by encoding
    cr0: int = 0x80010033
    cr4: int = 0x6A0
    efer: int = 0xD01
    rflags: int = 0x2
    code: Segment = CODE64
    data: Segment = DATA
    gdtr: tuple[int, int] = (GDT, 0x17)
    idtr: tuple[int, int] = (0, 0)

    def load(self, registers: Registers, set_cr: Callable[[int, int], None]) -> None:
        """Give a processor these registers; `set_cr` loads a control register."""
        registers.set_general(self.gpr)
        registers.gpr[4] = self.rsp
        registers.rip, registers.rflags = self.rip, self.rflags
        for name in ("es", "ss", "ds", "fs", "gs"):
            registers.set_segment(name, self.data)
        registers.set_segment("cs", self.code)
        registers.set_segment("ldtr", NO_LDT)
        registers.set_segment("tr", BOOT_TSS)
        registers.set_table("gdtr", *self.gdtr)
        registers.set_table("idtr", *self.idtr)
        registers.cpl = self.code.selector & 3
        registers.efer = self.efer
        for number, value in ((0, self.cr0), (4, self.cr4), (3, self.cr3)):
            set_cr(number, value)


def load(memory: Memory, ram_bytes: int, image: bytes, parameters: Sequence[int]) -> CpuState:
    """Put image, boot information and boot page tables into guest memory; returns the state to start with.

    ValueError if the image does not fit or there are too many parameters.
    """
    if IMAGE_BASE + len(image) > ram_bytes:
        raise ValueError(
            f"an image of {len(image)} bytes does not fit into {ram_bytes} bytes of RAM"
        )
    if len(parameters) > PARAMETERS:
        raise ValueError(
            f"{len(parameters)} parameters given, the boot protocol passes {PARAMETERS}"
        )
    memory.write(IMAGE_BASE, image)
    padded = [*parameters, *[0] * (PARAMETERS - len(parameters))]
    memory.write(
        BOOT_INFORMATION, struct.pack("<20Q", MAGIC, ram_bytes, IMAGE_BASE, len(image), *padded)
    )
    memory.write(GDT, struct.pack("<3Q", 0, 0x00AF9B000000FFFF, 0x00CF93000000FFFF))
    _build_tables(memory, ram_bytes)
    return CpuState(
        rip=KERNEL_BASE + IMAGE_BASE,
        rsp=KERNEL_BASE + STACK_TOP,
        cr3=PML4,
        gpr={7: BOOT_INFORMATION},
    )


def _build_tables(memory: Memory, ram_bytes: int) -> None:
    pml4 = [0] * 512
    pml4[0], pml4[511] = _IDENTITY_PDPT | _TABLE, KERNEL_PDPT | _TABLE
    identity, kernel = [0] * 512, [0] * 512
    identity[0] = kernel[510] = DIRECTORY | _TABLE
    pages = min(512, -(-ram_bytes // _PAGE_2M))
    directory = [page * _PAGE_2M | _LARGE for page in range(pages)] + [0] * (512 - pages)
    for at, table in (
        (PML4, pml4),
        (_IDENTITY_PDPT, identity),
        (KERNEL_PDPT, kernel),
        (DIRECTORY, directory),
    ):
        memory.write(at, struct.pack("<512Q", *table))
