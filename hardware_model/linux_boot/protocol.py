"""The 64-bit Linux boot protocol (Documentation/arch/x86/boot.rst), for bzImage and for plain ELF kernels.

Guest-physical map at entry:
    0x00000500  GDT: null, null, 0x10 code, 0x18 data
    0x00001000  identity map: PML4, PDPT, then page directories with 2 MiB pages (the first 4 GiB)
    0x00007000  boot parameters ("zero page"), whose address is in RSI
    0x00008ff0  top of the boot stack
    0x00020000  command line
    0x01000000  kernel (preferred address); an ELF kernel lies where its segments say
    top of RAM  initial ramdisk, page-aligned
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from hardware_model.boot import CpuState, Memory
from hardware_model.executor.registers import Segment
from hardware_model.linux_boot import bz_image, elf
from hardware_model.linux_boot.bz_image import BzImage
from hardware_model.linux_boot.elf import Elf
from hardware_model.linux_boot.errors import KernelError

GDT, PML4, BOOT_PARAMS, STACK_TOP, COMMAND_LINE = 0x500, 0x1000, 0x7000, 0x8FF0, 0x20000
COMMAND_LINE_LIMIT = 2047
LOADER_END = COMMAND_LINE + COMMAND_LINE_LIMIT + 1
_PDPT, _DIRECTORIES = 0x2000, 0x3000
_TABLE, _LARGE, _PAGE_2M = 0x03, 0x83, 1 << 21
LOW_MEMORY_END, HIGH_MEMORY = 0x9FC00, 0x100000
E820_RAM, E820_RESERVED = 1, 2
CODE = Segment(0x10, 0, 0xFFFFFFFF, 0x00AF9B00)
DATA = Segment(0x18, 0, 0xFFFFFFFF, 0x00CF9300)
_RSI = 6
# Fields of the boot parameters.
_E820_ENTRIES, _E820_TABLE = 0x1E8, 0x2D0
_TYPE_OF_LOADER, _LOADFLAGS = 0x210, 0x211
_RAMDISK_IMAGE, _RAMDISK_SIZE, _CMD_LINE_PTR = 0x218, 0x21C, 0x228
_BOOT_FLAG, _MAGIC, _VERSION = 0x1FE, 0x202, 0x206
LOADER_UNDEFINED, LOADED_HIGH = 0xFF, 1 << 0
ELF_HEADER = struct.pack("<H", 0xAA55) + b"\0\0" + bz_image.MAGIC + struct.pack("<H", 0x020F)


@dataclass(frozen=True, slots=True)
class Kernel:
    """What is booted: `file` (ELF or bzImage), `initrd` (empty: none) and the command line."""

    file: Elf | BzImage
    initrd: bytes
    command_line: str


def memory_map(ram_bytes: int) -> list[tuple[int, int, int]]:
    """The e820 map: address, bytes and type of each range."""
    return [
        (0, LOW_MEMORY_END, E820_RAM),
        (LOW_MEMORY_END, 0xA0000 - LOW_MEMORY_END, E820_RESERVED),
        (0xF0000, 0x10000, E820_RESERVED),
        (HIGH_MEMORY, ram_bytes - HIGH_MEMORY, E820_RAM),
    ]


def load(memory: Memory, ram_bytes: int, kernel: Kernel) -> CpuState:
    """Put kernel, ramdisk, command line and boot parameters into guest memory; the state to start with.

    KernelError if they do not fit.
    """
    entry, end = _load_kernel(memory, ram_bytes, kernel.file)
    ramdisk = ram_bytes - -(-len(kernel.initrd) // 4096) * 4096
    if ramdisk < end:
        raise KernelError(
            f"{ram_bytes >> 20} MiB of memory hold the kernel (up to {end:#x}) but not the ramdisk "
            f"of {len(kernel.initrd)} bytes behind it"
        )
    memory.write(ramdisk, kernel.initrd)
    command_line = kernel.command_line.encode()
    if len(command_line) > COMMAND_LINE_LIMIT:
        raise KernelError(
            f"a command line of {len(command_line)} bytes; {COMMAND_LINE_LIMIT} at most"
        )
    memory.write(COMMAND_LINE, command_line + b"\0")
    memory.write(BOOT_PARAMS, _boot_parameters(ram_bytes, kernel, ramdisk))
    memory.write(GDT, struct.pack("<4Q", 0, 0, 0x00AF9B000000FFFF, 0x00CF93000000FFFF))
    _identity_map(memory)
    return CpuState(
        rip=entry,
        rsp=STACK_TOP,
        cr3=PML4,
        gpr={_RSI: BOOT_PARAMS},
        cr4=0x20,  # PAE
        efer=0x500,  # LME, LMA
        code=CODE,
        data=DATA,
        gdtr=(GDT, 0x1F),
    )


def _load_kernel(memory: Memory, ram_bytes: int, file: Elf | BzImage) -> tuple[int, int]:
    """Entry point, and the end of the memory that the kernel takes."""
    if isinstance(file, BzImage):
        end = file.preferred_address + max(file.init_size, len(file.code))
        _check_room(end, ram_bytes)
        memory.write(file.preferred_address, file.code)
        return file.preferred_address + bz_image.ENTRY_64, end
    segments = file.segments()
    end = max((segment.physical + segment.size for segment in segments), default=0)
    _check_room(end, ram_bytes)
    _check_places(file, segments)
    for segment in segments:
        memory.write(segment.physical, segment.data)
    return file.entry, end


def _check_room(end: int, ram_bytes: int) -> None:
    if end > ram_bytes:
        raise KernelError(
            f"the kernel needs memory up to {end:#x}; the guest has {ram_bytes:#x} bytes"
        )


def _check_places(file: Elf, segments: list[elf.Segment]) -> None:
    """The entry point has to be in a segment, and no segment where the loader's own things are."""
    places = [(s.physical, s.physical + s.size) for s in segments if s.size]
    if not any(start <= file.entry < end for start, end in places):
        raise KernelError(f"the kernel's entry point {file.entry:#x} is in none of its segments")
    lowest = min(start for start, _ in places)
    if lowest < LOADER_END:
        raise KernelError(
            f"the kernel wants memory at {lowest:#x}, where the boot loader's own tables are"
        )


def _boot_parameters(ram_bytes: int, kernel: Kernel, ramdisk: int) -> bytes:
    page = bytearray(4096)
    if isinstance(kernel.file, BzImage):
        page[bz_image.HEADER : bz_image.HEADER + len(kernel.file.header)] = kernel.file.header
    else:
        page[_BOOT_FLAG : _BOOT_FLAG + len(ELF_HEADER)] = ELF_HEADER
    page[_TYPE_OF_LOADER], page[_LOADFLAGS] = LOADER_UNDEFINED, page[_LOADFLAGS] | LOADED_HIGH
    struct.pack_into("<I", page, _CMD_LINE_PTR, COMMAND_LINE)
    if kernel.initrd:
        struct.pack_into("<II", page, _RAMDISK_IMAGE, ramdisk, len(kernel.initrd))
    ranges = memory_map(ram_bytes)
    page[_E820_ENTRIES] = len(ranges)
    for index, entry in enumerate(ranges):
        struct.pack_into("<QQI", page, _E820_TABLE + 20 * index, *entry)
    return bytes(page)


def _identity_map(memory: Memory) -> None:
    memory.write(PML4, struct.pack("<512Q", _PDPT | _TABLE, *[0] * 511))
    directories = [_DIRECTORIES + 4096 * index | _TABLE for index in range(4)]
    memory.write(_PDPT, struct.pack("<512Q", *directories, *[0] * 508))
    pages = [page * _PAGE_2M | _LARGE for page in range(4 * 512)]
    memory.write(_DIRECTORIES, struct.pack("<2048Q", *pages))
