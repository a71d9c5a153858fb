"""bzImage: the setup header, the self-extracting kernel behind it, and the ELF kernel packed inside.

Fields by their names in Documentation/arch/x86/boot.rst ("The Linux/x86 Boot Protocol"), protocol 2.12 or later.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import struct
from collections.abc import Callable
from dataclasses import dataclass

from hardware_model.linux_boot.errors import KernelError

MAGIC_AT, MAGIC = 0x202, b"HdrS"
HEADER = 0x1F1
_SETUP_SECTS, _VERSION, _JUMP = 0x1F1, 0x206, 0x201
_XLOADFLAGS, _PAYLOAD_OFFSET, _PAYLOAD_LENGTH, _PREF_ADDRESS, _INIT_SIZE = (
    0x236,
    0x248,
    0x24C,
    0x258,
    0x260,
)
XLF_KERNEL_64 = 1 << 0
OLDEST_PROTOCOL = 0x020C
ENTRY_64 = 0x200
"""Offset of the 64-bit entry point in the protected-mode kernel."""
SECTOR = 512
_SIZE_BYTES = 4
"""The packed kernel ends with its unpacked size, which xz and gzip carry themselves."""


def _unpack_zstd(data: bytes) -> bytes:
    import pyarrow as pa

    packed = pa.BufferReader(data[:-_SIZE_BYTES])
    return bytes(pa.input_stream(packed, compression="zstd").read())


def _unpack_lz4(data: bytes) -> bytes:
    """The legacy frame of LZ4: blocks of 8 MiB, each with its packed size before it."""
    import pyarrow as pa

    left = struct.unpack_from("<I", data, len(data) - _SIZE_BYTES)[0]
    at, blocks = 4, []
    while left:
        size, room = struct.unpack_from("<I", data, at)[0], min(left, _LZ4_BLOCK)
        blocks.append(pa.decompress(data[at + 4 : at + 4 + size], room, "lz4_raw", asbytes=True))
        at, left = at + 4 + size, left - room
    return b"".join(blocks)


_LZ4_BLOCK = 8 << 20
_UNPACKERS: tuple[tuple[bytes, str, Callable[[bytes], bytes]], ...] = (
    (b"\xfd7zXZ\0", "xz", lambda data: lzma.LZMADecompressor().decompress(data)),
    (b"\x1f\x8b", "gzip", gzip.decompress),
    (b"BZh", "bzip2", lambda data: bz2.BZ2Decompressor().decompress(data)),
    (b"\x5d\0\0", "lzma", lambda data: lzma.LZMADecompressor().decompress(data)),
    (b"\x28\xb5\x2f\xfd", "zstd", _unpack_zstd),
    (b"\x02\x21\x4c\x18", "lz4", _unpack_lz4),
)


@dataclass(frozen=True, slots=True)
class BzImage:
    """A parsed bzImage.

    `header` are the bytes of the setup header from 0x1f1 on; `code` the protected-mode kernel, to be loaded at
    `preferred_address` with `init_size` bytes of room; `payload` the packed kernel.
    """

    header: bytes
    code: bytes
    preferred_address: int
    init_size: int
    payload: bytes
    source: str

    def unpack(self) -> bytes:
        """The ELF kernel inside. Raises KernelError for a compression that is not known, or damage."""
        for magic, name, unpacker in _UNPACKERS:
            if self.payload.startswith(magic):
                return self._unpacked(name, unpacker)
        raise KernelError(
            f"{self.source}: its kernel is packed in a way that is not known; boot the file itself, it unpacks itself"
        )

    def _unpacked(self, name: str, unpacker: Callable[[bytes], bytes]) -> bytes:
        try:
            return unpacker(self.payload)
        except (OSError, EOFError, ValueError, struct.error, lzma.LZMAError) as error:
            raise KernelError(
                f"{self.source}: its {name}-packed kernel is damaged ({error})"
            ) from None


def is_bz_image(data: bytes) -> bool:
    """Whether `data` begins as a Linux boot image does."""
    return data[MAGIC_AT : MAGIC_AT + 4] == MAGIC


def parse(data: bytes, source: str) -> BzImage:
    """The bzImage in `data`, which came from `source`. Raises KernelError for what has no 64-bit entry."""
    if not is_bz_image(data) or len(data) < 0x264:
        raise KernelError(f"{source}: not a Linux boot image")
    version = _word(data, _VERSION, "<H")
    if version < OLDEST_PROTOCOL or not _word(data, _XLOADFLAGS, "<H") & XLF_KERNEL_64:
        raise KernelError(
            f"{source}: no 64-bit entry point (boot protocol {version >> 8}.{version & 255})"
        )
    start = ((_word(data, _SETUP_SECTS, "<B") or 4) + 1) * SECTOR
    payload = start + _word(data, _PAYLOAD_OFFSET, "<I")
    end = payload + _word(data, _PAYLOAD_LENGTH, "<I")
    if end > len(data):
        raise KernelError(f"{source}: cut short; it ends before byte {end:#x}")
    return BzImage(
        header=data[HEADER : MAGIC_AT + data[_JUMP]],
        code=data[start:],
        preferred_address=_word(data, _PREF_ADDRESS, "<Q"),
        init_size=_word(data, _INIT_SIZE, "<I"),
        payload=data[payload:end],
        source=source,
    )


def _word(data: bytes, at: int, layout: str) -> int:
    return int(struct.unpack_from(layout, data, at)[0])
