"""Small files of the shapes that kernels come in, for tests."""

from __future__ import annotations

import lzma
import struct
from collections.abc import Sequence

from hardware_model.linux_boot import bz_image

LINEAR, PHYSICAL = 0xFFFFFFFF81000000, 0x1000000
LEAVE = b"\xba\xf4\0\0\0\x31\xc0\xef"
"""mov edx, 0xf4; xor eax, eax; out dx, eax: the guest ends with status 0."""
_HEADER = {
    "class": (4, "<B"), "data": (5, "<B"), "type": (16, "<H"), "machine": (18, "<H"), "entry": (24, "<Q"),
    "segments_at": (32, "<Q"), "sections_at": (40, "<Q"), "segment_bytes": (54, "<H"), "segments": (56, "<H"),
    "sections": (60, "<H"),
}  # fmt: skip
_SEGMENT = {
    "kind": (0, "<I"), "offset": (8, "<Q"), "linear": (16, "<Q"), "physical": (24, "<Q"), "in_file": (32, "<Q"),
    "in_memory": (40, "<Q"),
}  # fmt: skip


def elf(
    data: bytes = b"", *, entry: int = PHYSICAL, bss: int = 0, notes: bytes = b"", machine: int = 62
) -> bytes:
    """An ELF executable with one loadable segment and, if there are `notes`, a note segment."""
    segments = [(1, 7, 0x1000, LINEAR, PHYSICAL, len(data), len(data) + bss, 0x1000)]
    if notes:
        segments.append((4, 4, 0x200, 0, 0, len(notes), len(notes), 4))
    header = struct.pack(
        "<4s12xHHIQQQIHHHHHH",
        b"\x7fELF", 2, machine, 1, entry, 64, 0, 0, 64, 56, len(segments), 64, 0, 0,
    )  # fmt: skip
    header = header[:4] + b"\x02\x01\x01" + header[7:]
    table = b"".join(struct.pack("<IIQQQQQQ", *segment) for segment in segments)
    return ((header + table).ljust(0x200, b"\0") + notes).ljust(0x1000, b"\0") + data


def note(name: str, kind: int, data: bytes) -> bytes:
    """One ELF note."""
    label = name.encode() + b"\0"
    padded = [part + bytes(-len(part) % 4) for part in (label, data)]
    return struct.pack("<III", len(label), len(data), kind) + b"".join(padded)


def bz(kernel: bytes, *, protocol: int = 0x020F, payload: bytes | None = None) -> bytes:
    """A bzImage with two setup sectors whose payload is `kernel`, packed with xz."""
    packed = lzma.compress(kernel) if payload is None else payload
    setup = bytearray(3 * bz_image.SECTOR)
    setup[0x1F1] = 2
    setup[0x201] = 0x66
    setup[0x202:0x206] = bz_image.MAGIC
    struct.pack_into("<H", setup, 0x206, protocol)
    struct.pack_into("<H", setup, 0x236, bz_image.XLF_KERNEL_64)
    struct.pack_into("<II", setup, 0x248, 0x400, len(packed))
    struct.pack_into("<QI", setup, 0x258, PHYSICAL, 0x300000)
    return bytes(setup) + b"\x90" * 0x400 + packed


def kallsyms(names: Sequence[tuple[str, int]], *, since_6_4: bool, base: int = LINEAR) -> bytes:
    """The tables of symbols given as type and name with offset from `base`; tokens are single characters but for two."""
    tokens = [chr(n) if 32 < n < 127 else f"<{n:x}>" for n in range(256)]
    tokens[1], tokens[2] = "sys_", "_page"
    encoded, positions = b"", []
    for name, _ in names:
        text = name.replace("sys_", "\x01").replace("_page", "\x02").encode("latin-1")
        positions.append(len(encoded))
        length = len(text)
        encoded += bytes([length]) if length < 128 else bytes([length & 127 | 128, length >> 7])
        encoded += text
    table = b"".join(token.encode() + b"\0" for token in tokens)
    ends = [0]
    for token in tokens:
        ends.append(ends[-1] + len(token) + 1)
    index = struct.pack("<256H", *ends[:256])
    markers = struct.pack(f"<{-(-len(names) // 256)}I", *positions[::256])
    offsets = struct.pack(f"<{len(names)}i", *(-1 - offset for _, offset in names))
    parts = {
        "addresses": [offsets, struct.pack("<Q", base)],
        "names": [struct.pack("<I", len(names)), encoded, markers],
        "tokens": [table, index],
    }
    order = ("names", "tokens", "addresses") if since_6_4 else ("addresses", "names", "tokens")
    data = bytes(4096)
    for part in (part for group in order for part in parts[group]):
        data += part + bytes(-len(part) % 8)
    return data + bytes(64)


def changed(file: bytes, segment: int | None = None, **fields: int) -> bytes:
    """An ELF file with other values in fields of its header, or of the header of one `segment`."""
    layout, base = (_HEADER, 0) if segment is None else (_SEGMENT, 64 + 56 * segment)
    content = bytearray(file)
    for name, value in fields.items():
        at, format_ = layout[name]
        struct.pack_into(format_, content, base + at, value)
    return bytes(content)


def two_segments(second: int) -> bytes:
    """An ELF executable of two pages, the second one loaded at `second`."""
    file = changed(elf(LEAVE.ljust(0x1000, b"\x90")), segments=2)
    row = struct.pack("<IIQQQQQQ", 1, 7, 0x1000, LINEAR, second, 0x1000, 0x1000, 0x1000)
    return file[:120] + row + file[120 + len(row) :]
