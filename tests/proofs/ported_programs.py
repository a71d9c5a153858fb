"""Random programs for the guest kernel of our own, native and ported: what they are made of, and their machine code.

A program is a list of statements of the kernel and one of a user program (see `ported/`), each a routine's name and
three numbers, so that a list of fewer or simpler ones is a program too: failing ones shrink.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import workloads
from hardware_model.boot import IMAGE_BASE, KERNEL_BASE
from techniques.guest import GuestImage
from workloads.image import Image

SOURCE = sorted((Path(__file__).parent / "ported").glob("*.asm"))
RAM_BYTES = 8 << 20
PAGES = 8
_P, _W, _A, _D, _NX = 1, 2, 0x20, 0x40, 1 << 63
FLAGS = (
    _P | _W | _NX,
    _P | _W,
    _P,
    _P | _NX,
    _P | _W | _A | _D | _NX,
    _P | _A,
    0,
    _W,
    _P | _W | _A,
)
KERNEL_ACCESSES = tuple(range(18))
USER_ACCESSES = (*range(17), 18, 19, 20)  # INT3 is open to programs under Xen and not natively
_REGISTERS = (3, 5, 12, 13, 14, 15)  # RBX, RBP, R12 to R15
_OPERATIONS = (0x01, 0x09, 0x11, 0x19, 0x21, 0x29, 0x31, 0x89)  # ADD OR ADC SBB AND SUB XOR MOV

Numbers = Callable[[int, int, int], tuple[int, int, int]]
Statement = tuple[str, int, int, int]
Program = tuple[tuple[Statement, ...], tuple[Statement, ...], int, bool]
"""Statements of the kernel and of the user program, period of the timer, whether the program ends by EXEC."""


def _edit(page: int, frame: int, flags: int) -> tuple[int, int, int]:
    return page % PAGES, frame % PAGES, FLAGS[flags % len(FLAGS)]


def _plain(a: int, b: int, c: int) -> tuple[int, int, int]:
    return a, b, c


def _waiting(a: int, b: int, c: int) -> tuple[int, int, int]:
    return a % 3000, b, c


def _place(number: int) -> int:
    """Page and offset within the window."""
    return number % PAGES << 12 | number // PAGES % 0xFF8


def _kernel_access(place: int, kind: int, value: int) -> tuple[int, int, int]:
    return _place(place), KERNEL_ACCESSES[kind % len(KERNEL_ACCESSES)], value


def _user_access(place: int, kind: int, value: int) -> tuple[int, int, int]:
    return _place(place), USER_ACCESSES[kind % len(USER_ACCESSES)], value


KERNEL: dict[str, Numbers] = {
    "fuzz_edit": _edit, "fuzz_store": _edit, "fuzz_batch": _edit, "fuzz_look": _plain, "fuzz_span": _plain, "fuzz_space": _plain,
    "fuzz_interrupt": _plain, "fuzz_state": _plain, "fuzz_wait": _waiting, "fuzz_access": _kernel_access, "arithmetic": _plain,
}  # fmt: skip
USER: dict[str, Numbers] = {
    "user_access": _user_access, "user_map": _plain, "user_unmap": _plain, "user_protect": _plain, "user_fork": _user_access,
    "user_call": _plain, "user_wait": _waiting, "arithmetic": _plain,
}  # fmt: skip


def _arithmetic(a: int, b: int, c: int) -> bytes:
    """CLC, and a few operations on the registers that routines keep."""
    code = b"\xf8"
    for number in (a, b, c):
        source, target = _REGISTERS[number % 6], _REGISTERS[number // 6 % 6]
        prefix = 0x48 | (source >> 3) << 2 | target >> 3
        code += bytes(
            (prefix, _OPERATIONS[number // 36 % 8], 0xC0 | (source & 7) << 3 | target & 7)
        )
    return code


def _code(
    statements: tuple[Statement, ...], kinds: Mapping[str, Numbers], symbols: Mapping[str, int]
) -> bytes:
    """MOV EDI, ESI, RDX; MOV RAX, routine; CALL RAX for each statement, and RET."""
    code = b""
    for name, *numbers in statements:
        first, second, third = kinds[name](*numbers)
        if name == "arithmetic":
            code += _arithmetic(first, second, third)
        else:
            code += struct.pack("<BIBI", 0xBF, first, 0xBE, second)
            code += b"\x48\xba" + struct.pack("<Q", third)
            code += b"\x48\xb8" + struct.pack("<Q", symbols[name]) + b"\xff\xd0"
    return code + b"\xc3"


@cache
def _image(ported: bool, ring1: bool) -> Image:
    with TemporaryDirectory() as folder:  # a workload is one file
        path = Path(folder) / "ported.asm"
        path.write_text("".join(part.read_text() for part in SOURCE))
        return workloads.find(path).image(pv=ported, ring1=ring1)


def image(program: Program, *, ported: bool = False, ring1: bool = False) -> GuestImage:
    """What a technique boots to run the program."""
    kernel, user, period, execs = program
    assembled = _image(ported, ring1)
    code, symbols = bytearray(assembled.code), assembled.symbols
    user_at = symbols["user_program"] - 0x400000 + _user_offset(assembled)
    kernel_at = symbols["kernel_program"] - KERNEL_BASE - IMAGE_BASE
    for at, part in (
        (kernel_at, _code(kernel, KERNEL, symbols)),
        (user_at, _code(user, USER, symbols)),
    ):
        assert not any(code[at : at + len(part)]), "a program lies over something else"
        code[at : at + len(part)] = part
    return GuestImage(bytes(code), [2000 + period, int(execs)], symbols, RAM_BYTES)


def _user_offset(assembled: Image) -> int:
    """Where the program's pages begin in the image: behind the kernel's."""
    return assembled.symbols["kernel_data_end"] - KERNEL_BASE - IMAGE_BASE
