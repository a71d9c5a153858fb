"""What a disk holds: generated sectors or those of a backing file, under the sectors written since."""

from __future__ import annotations

from mmap import ACCESS_READ, mmap
from pathlib import Path

from hardware_model.devices.device import State
from hardware_model.devices.generated_data import words

SECTOR = 512
SECTORS = 1 << 17  # 64 MiB
_WORDS = SECTOR // 8


class DiskContent:
    """Sectors by number; word n of generated sector s is output s * 64 + n of SplitMix64 started at 0.

    A backing file gives the whole sectors that it has, as they are when they are read. It is never written to: what
    the guest writes lies above it and ends with the disk.
    """

    def __init__(self, backing: Path | None = None, sectors: int = SECTORS) -> None:
        self._file = _mapped(backing) if backing else None
        self.sectors = len(self._file) // SECTOR if self._file is not None else sectors
        self._written: dict[int, bytes] = {}

    def read(self, sector: int) -> bytes:
        """One sector."""
        if sector in self._written:
            return self._written[sector]
        if self._file is not None:
            return self._file[sector * SECTOR : (sector + 1) * SECTOR]
        return words(0, sector * _WORDS, _WORDS)

    def write(self, sector: int, data: bytes) -> None:
        """Replace one sector."""
        self._written[sector] = data

    def save(self) -> State:
        """The sectors written."""
        return {"written": dict(self._written)}

    def restore(self, state: State) -> None:
        """Take over a saved state."""
        self._written = dict(state["written"])


def _mapped(file: Path) -> mmap:
    with file.open("rb") as opened:
        return mmap(opened.fileno(), 0, access=ACCESS_READ)


def access_time(sectors: int) -> int:
    """Nanoseconds a drive takes for a request: 20 us, then 500 MB/s, as an early SATA flash drive."""
    return 20_000 + sectors * SECTOR * 2
