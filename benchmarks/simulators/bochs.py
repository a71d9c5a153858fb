"""Bochs, an interpreter that counts every instruction."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from benchmarks.loops import RAM, Loop
from benchmarks.simulators import process
from benchmarks.simulators.process import Run, Unavailable
from benchmarks.simulators.rom import rom

PROGRAM = "bochs"
_CONFIGURATION = """\
romimage: file={folder}/bochs.rom
vgaromimage: file={folder}/vga.rom
memory: guest={mebibytes}, host={mebibytes}
cpu: model=core2_penryn_t9600, count=1
display_library: rfb, options="timeout=0"
sound: waveoutdrv=dummy
log: {folder}/log
panic: action=fatal
error: action=ignore
info: action=ignore
clock: sync=none
"""
_ENDED = "Shutdown port: shutdown requested"
_TICKS = re.compile(r"^\(0\)\.\[(\d+)\]", re.MULTILINE)


class Bochs:
    """Bochs on this host, with files in `folder`; Unavailable if it is not there."""

    def __init__(self, folder: Path) -> None:
        if shutil.which(PROGRAM) is None:
            raise Unavailable(f"{PROGRAM} is not installed")
        self._folder = folder
        (folder / "bochsrc").write_text(
            _CONFIGURATION.format(folder=folder, mebibytes=RAM >> 20), encoding="ascii"
        )
        (folder / "vga.rom").write_bytes(_no_display())
        (folder / "continue").write_text("c\n", encoding="ascii")

    def run(self, loop: Loop) -> Run:
        """Run `loop` to its end. A Bochs with debugger says how many instructions it executed, the ROM's included."""
        (self._folder / "bochs.rom").write_bytes(rom(loop))
        ended = process.run(
            [PROGRAM, "-q", "-f", f"{self._folder}/bochsrc", "-rc", f"{self._folder}/continue"]
        )
        if _ENDED not in ended.output:
            raise Unavailable(f"{PROGRAM} ended with status {ended.status}: {ended.output[-500:]}")
        ticks = _TICKS.search(ended.output)
        return Run(ended.seconds, int(ticks[1]) if ticks else None)


def _no_display() -> bytes:
    """The ROM of a display adapter that does nothing; Bochs does not start without one."""
    content = bytearray(512)
    content[:4] = b"\x55\xaa\x01\xcb"
    content[-1] = -sum(content) & 0xFF
    return bytes(content)
