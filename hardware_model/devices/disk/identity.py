"""IDENTIFY DEVICE data: what a drive says about itself (ATA/ATAPI-5 table 20)."""

from __future__ import annotations

import struct

WORDS = 256
MODEL = "trapbench disk"
_TEXTS = {10: (20, "0"), 23: (8, "1"), 27: (40, MODEL)}  # serial number, firmware, model
_WORDS = {
    0: 0x0040,  # ATA, not removable
    47: 0x8001,  # READ MULTIPLE moves one sector at a time
    49: 0x0B00,  # IORDY, LBA, DMA
    53: 0x0006,  # words 64 to 70 and 88 are valid
    63: 0x0007,  # multiword DMA modes 0 to 2
    64: 0x0003,  # PIO modes 3 and 4
    65: 120,  # nanoseconds of a cycle: multiword DMA, least and recommended; PIO, without and with IORDY
    66: 120,
    67: 120,
    68: 120,
    80: 0x003E,  # ATA-1 to ATA/ATAPI-5
    82: 0x0020,  # write cache
    83: 0x5000,  # FLUSH CACHE; bit 14 as the standard has it
    84: 0x4000,
    85: 0x0020,  # as enabled
    86: 0x1000,
    87: 0x4000,
    88: 0x003F,  # Ultra DMA modes 0 to 5
}
_CAPACITY = 60


def identify(sectors: int) -> bytes:
    """The 512 bytes of a drive with so many sectors."""
    words = [_WORDS.get(number, 0) for number in range(WORDS)]
    for first, (size, text) in _TEXTS.items():
        words[first : first + size // 2] = struct.unpack(
            f">{size // 2}H", text.ljust(size).encode()
        )
    words[_CAPACITY], words[_CAPACITY + 1] = sectors & 0xFFFF, sectors >> 16
    return struct.pack(f"<{WORDS}H", *words)
