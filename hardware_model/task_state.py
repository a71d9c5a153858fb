"""The 64-bit task-state segment (Intel SDM vol. 3A section 7.7, figure 7-11).

offset  4  RSP0   12  RSP1   20  RSP2     stacks of the more privileged rings
       36  IST1 ... 84  IST7              interrupt stacks
      102  I/O map base                   offset of the I/O permission bitmap
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

TSS_BYTES = 104
RSP_OFFSET = 4
IST_OFFSET = 36
IO_MAP_BASE_OFFSET = 102

_LAYOUT = struct.Struct("<I3QQ7QQHH")


@dataclass(frozen=True, slots=True)
class TaskState:
    """A 64-bit TSS: `rsp` for rings 0 to 2, `ist` 1 to 7, `io_map_base` of the I/O bitmap.

    An `io_map_base` at or above the segment's limit means that there is no bitmap.
    """

    rsp: tuple[int, int, int] = (0, 0, 0)
    ist: tuple[int, int, int, int, int, int, int] = (0, 0, 0, 0, 0, 0, 0)
    io_map_base: int = TSS_BYTES

    def encode(self) -> bytes:
        """The segment's first 104 bytes."""
        return _LAYOUT.pack(0, *self.rsp, 0, *self.ist, 0, 0, self.io_map_base)

    @classmethod
    def decode(cls, raw: bytes) -> TaskState:
        """The TSS at the start of `raw`, which holds 104 bytes or more."""
        words = _LAYOUT.unpack_from(raw)
        return cls(words[1:4], words[5:12], words[14])

    def stack_for(self, cpl: int, ist: int) -> int:
        """The stack pointer that delivery to ring `cpl` through a gate with `ist` loads."""
        return self.ist[ist - 1] if ist else self.rsp[cpl]
