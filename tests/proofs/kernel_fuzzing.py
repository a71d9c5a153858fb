"""Damaged kernel files: what reads them refuses them with one sentence, or makes something of them."""

from __future__ import annotations

import random
import struct

from hardware_model.linux_boot import bz_image, kallsyms, protocol
from hardware_model.linux_boot.bz_image import BzImage
from hardware_model.linux_boot.elf import Elf
from hardware_model.linux_boot.errors import KernelError
from hardware_model.linux_boot.protocol import Kernel
from techniques.paravirtual.linux_layout import linux_layout
from techniques.technique import GuestError
from tests.hardware_model.linux_boot import kernel_files as files

RAM = 64 << 20
_XEN = {1: files.LINEAR, 3: 0xFFFFFFFF80000000, 10: 0x8801, 15: 0x8000000000, 16: 1}
_NOTES = b"".join(files.note("Xen", kind, struct.pack("<Q", value)) for kind, value in _XEN.items())
_NAMES = [(f"t{'sys_' if n % 3 else 'a'}function{n}_page", 16 * n) for n in range(600)]
_TABLES = [files.kallsyms(_NAMES, since_6_4=new) for new in (False, True)]
_ELFS = [
    files.elf(files.LEAVE, notes=_NOTES),
    files.two_segments(files.PHYSICAL + 0x1000),
    *(files.elf(table) for table in _TABLES),
]
ORIGINALS = [*_ELFS, *(files.bz(file) for file in _ELFS[:2])]
_EXTREMES = (
    0,
    1,
    0x7F,
    0xFF,
    0x1000,
    0xFFFF,
    1 << 31,
    (1 << 32) - 1,
    1 << 47,
    1 << 63,
    (1 << 64) - 1,
)


class _Nowhere:
    """Guest memory that checks where it is written and keeps nothing."""

    def write(self, address: int, data: bytes) -> None:
        assert address >= 0
        assert address + len(data) <= RAM


def damaged(chance: random.Random) -> bytes:
    """A kernel file with extreme values in fields of its headers, overwritten bytes, or an end that is missing."""
    content = bytearray(chance.choice(ORIGINALS))
    for _ in range(chance.randrange(1, 4)):
        kind = chance.randrange(4)
        if kind == 0:
            size = chance.choice((1, 2, 4, 8))
            at = chance.randrange(0, 0x280, 2)
            value = chance.choice(_EXTREMES) & (1 << 8 * size) - 1
            content[at : at + size] = value.to_bytes(size, "little")
        elif kind == 1:
            at = chance.randrange(len(content))
            content[at : at + 8] = chance.randbytes(chance.randrange(9))
        elif kind == 2 and chance.random() < 0.3:
            del content[chance.randrange(len(content)) :]
        else:
            at = chance.randrange(min(0x200, len(content)))
            content[at] ^= 1 << chance.randrange(8)
        content = content or bytearray(b"\0")
    return bytes(content)


def read_wholly(content: bytes) -> str:
    """Everything that a run does with a kernel file, without running it: the sentence of its refusal, or nothing."""
    try:
        file = bz_image.parse(content, "k") if bz_image.is_bz_image(content) else Elf(content, "k")
        protocol.load(_Nowhere(), RAM, Kernel(file, b"ramdisk", "console=ttyS0"))
    except (KernelError, GuestError) as error:
        return str(error)
    for part in (_symbols, _domain):
        try:
            part(file)
        except (KernelError, GuestError) as error:
            assert "\n" not in str(error)
    return ""


def _symbols(file: Elf | BzImage) -> None:
    elf = Elf(file.unpack(), "k") if isinstance(file, BzImage) else file
    elf.symbols()
    kallsyms.symbols(elf)


def _domain(file: Elf | BzImage) -> None:
    linux_layout(Kernel(file, b"ramdisk", "console=hvc0"), RAM >> 12)
