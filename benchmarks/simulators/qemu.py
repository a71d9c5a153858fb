"""QEMU with its TCG engine, alone or with a plugin that counts instructions and blocks."""

from __future__ import annotations

import shutil
from pathlib import Path

from benchmarks.loops import RAM, Loop
from benchmarks.simulators import process
from benchmarks.simulators.process import Run, Unavailable
from benchmarks.simulators.rom import rom

PROGRAM = "qemu-system-x86_64"
_PLUGIN = Path(__file__).with_name("count_instructions.c")
_EXIT_STATUS = 1  # isa-debug-exit ends QEMU with 2 * value + 1


class Qemu:
    """QEMU on this host, with files in `folder`; Unavailable if it is not there or lacks what `counting` needs."""

    def __init__(self, folder: Path, *, counting: bool) -> None:
        if shutil.which(PROGRAM) is None:
            raise Unavailable(f"{PROGRAM} is not installed")
        self._folder = folder
        self._plugin = self._build() if counting else None

    def _build(self) -> Path:
        compiler = shutil.which("gcc") or shutil.which("cc")
        if compiler is None:
            raise Unavailable("there is no C compiler for the plugin (gcc or cc)")
        library = self._folder / "count_instructions.so"
        built = process.run([compiler, "-O2", "-shared", "-fPIC", "-o", str(library), str(_PLUGIN)])
        if built.status:
            raise Unavailable(f"the plugin does not compile: {built.output}")
        return library

    def run(self, loop: Loop) -> Run:
        """Run `loop` to its end; Unavailable if QEMU does not take the plugin."""
        image, counts = self._folder / "qemu.rom", self._folder / "counts"
        image.write_bytes(rom(loop))
        command = f"{PROGRAM} -machine pc -cpu qemu64 -accel tcg -m {RAM >> 20} -bios {image}"
        command += " -nodefaults -display none -no-reboot"
        command += " -device isa-debug-exit,iobase=0xf4,iosize=4"
        if self._plugin:
            command += f" -plugin {self._plugin},out={counts}"
        ended = process.run(command.split())
        if ended.status != _EXIT_STATUS or "plugin" in ended.output:
            raise Unavailable(f"{PROGRAM} ended with status {ended.status}: {ended.output}")
        if not self._plugin:
            return Run(ended.seconds)
        instructions, blocks = map(int, counts.read_text().split())
        return Run(ended.seconds, instructions, blocks)
