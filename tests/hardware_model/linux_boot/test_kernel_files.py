"""Kernel files: what is read from ELF and bzImage, and what is said of broken ones."""

from __future__ import annotations

import bz2
import gzip
import struct

import pyarrow as pa
import pytest

from hardware_model.linux_boot import bz_image, kallsyms
from hardware_model.linux_boot.elf import Elf
from hardware_model.linux_boot.errors import KernelError
from tests.hardware_model.linux_boot import kernel_files as files

CODE = b"\x90" * 100


def test_segments_have_their_addresses_content_and_size_in_memory() -> None:
    kernel = Elf(files.elf(CODE, bss=0x5000), "k")
    (segment,) = kernel.segments()
    assert (segment.linear, segment.physical) == (files.LINEAR, files.PHYSICAL)
    assert (segment.data, segment.size) == (CODE, 0x5064)
    assert kernel.entry == files.PHYSICAL


def test_notes_are_read_with_their_padding() -> None:
    notes = files.note("Xen", 1, b"12345678") + files.note("Linux", 6, b"abc")
    found = Elf(files.elf(notes=notes), "k").notes()
    assert [(n.name, n.type, n.data) for n in found] == [
        ("Xen", 1, b"12345678"),
        ("Linux", 6, b"abc"),
    ]


def test_a_stripped_file_has_no_symbols() -> None:
    assert Elf(files.elf(CODE), "k").symbols() == {}


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "k: not a 64-bit little-endian ELF file"),
        (b"\x7fELF\x01\x01" + bytes(100), "not a 64-bit"),
        (files.elf(CODE, machine=183), "an ELF file for machine 183, not for x86-64"),
    ],
)
def test_what_is_no_kernel_is_refused(data: bytes, sentence: str) -> None:
    with pytest.raises(KernelError, match=sentence):
        Elf(data, "k")


@pytest.mark.parametrize("size", [70, 0x1010])
def test_a_file_that_is_cut_short_is_refused(size: int) -> None:
    with pytest.raises(KernelError, match="k: cut short"):
        Elf(files.elf(CODE)[:size], "k").segments()


def _lz4(data: bytes) -> bytes:
    block = pa.compress(data, "lz4_raw", asbytes=True)
    return b"\x02\x21\x4c\x18" + struct.pack("<I", len(block)) + block


PACKERS = {
    "xz": None,
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "zstd": lambda data: pa.compress(data, "zstd", asbytes=True),
    "lz4": _lz4,
}


@pytest.mark.parametrize("packer", PACKERS)
def test_the_kernel_inside_a_bz_image_is_unpacked(packer: str) -> None:
    kernel = files.elf(bytes(range(256)) * 64)
    pack = PACKERS[packer]
    payload = pack(kernel) if pack else None
    if payload and packer != "gzip":  # which ends with the size by itself
        payload += struct.pack("<I", len(kernel))
    assert bz_image.parse(files.bz(kernel, payload=payload), "k").unpack() == kernel


def test_a_bz_image_says_where_it_wants_to_be() -> None:
    image = bz_image.parse(files.bz(files.elf()), "k")
    assert (image.preferred_address, image.init_size) == (files.PHYSICAL, 0x300000)
    assert image.header[0x11:0x15] == bz_image.MAGIC
    assert len(image.header) == 0x202 + 0x66 - 0x1F1
    assert image.code.startswith(b"\x90")


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (files.elf(), "k: not a Linux boot image"),
        (files.bz(b"", protocol=0x0203), r"no 64-bit entry point \(boot protocol 2.3\)"),
        (files.bz(files.elf())[:-9], "cut short"),
    ],
)
def test_what_is_no_bz_image_is_refused(data: bytes, sentence: str) -> None:
    with pytest.raises(KernelError, match=sentence):
        bz_image.parse(data, "k")


@pytest.mark.parametrize(
    ("payload", "sentence"),
    [
        (b"\xfd7zXZ\0 broken", "its xz-packed kernel is damaged"),
        (b"\x1f\x8b broken", "gzip-packed kernel is damaged"),
        (b"\x28\xb5\x2f\xfd broken", "zstd-packed kernel is damaged"),
        (b"something else", "packed in a way that is not known"),
    ],
)
def test_a_damaged_payload_is_an_error_that_names_the_file(payload: bytes, sentence: str) -> None:
    with pytest.raises(KernelError, match=f"k: .*{sentence}"):
        bz_image.parse(files.bz(b"", payload=payload), "k").unpack()


SYMBOLS = [(f"t{'sys_' if n % 3 else 'a'}function{n}_page", 16 * n) for n in range(700)]


@pytest.mark.parametrize("since_6_4", [False, True])
def test_a_kernels_own_symbol_table_is_found_and_spelled(since_6_4: bool) -> None:
    names = [*SYMBOLS, ("T" + "long" * 40, 0x9000), ("dvariable", 0x9100)]
    found = kallsyms.symbols(Elf(files.elf(files.kallsyms(names, since_6_4=since_6_4)), "k"))
    expected = {name[1:]: files.LINEAR + offset for name, offset in names[:-1]}
    assert found == expected


def test_a_kernel_without_the_table_has_no_symbols() -> None:
    assert (
        kallsyms.symbols(Elf(files.elf(b"0\x001\x002\x003\x004\x005\x006\x007\x008\x009\0"), "k"))
        == {}
    )
