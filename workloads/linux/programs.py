"""Assembling a program of the family into the executable that Linux starts as /init."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from workloads import source
from workloads.assembler import assemble
from workloads.errors import Place, WorkloadError
from workloads.linux.elf_writer import executable

RUNTIME = Path(__file__).parent / "runtime"
BASE = 0x40_0000
_FILES = ("system_calls.asm", "start.asm")
_DEVICES = "devices.asm"
_WORDS = "PARAMETER_WORDS"


def build(
    path: Path, parameters: Mapping[str, int], results: int, *, devices: bool = False
) -> bytes:
    """The executable of the program in `path`, which prints its first `results` words of outcome.

    `devices`: with what loads drivers. Raises AssemblyError, or WorkloadError if the program has no user_main.
    """
    before, after = (source.read(RUNTIME / name, f"linux/runtime/{name}") for name in _FILES)
    program = source.read(path)
    if not any(statement.text == "user_main:" for statement in program):
        raise WorkloadError(Place(str(path), 0), "the @user section does not define user_main")
    constants = {f"PARAM_{name.upper()}": index for index, name in enumerate(parameters)}
    constants["RESULTS"] = results
    words = ", ".join(f"{value:#x}" for value in parameters.values()) or "0"
    ending = [s.with_text(f".quad {words}") if s.text == _WORDS else s for s in after]
    drivers = source.read(RUNTIME / _DEVICES, f"linux/runtime/{_DEVICES}") if devices else []
    unit = assemble([*before, *drivers, *program, *ending], ("user", "user_data"), BASE, constants)
    return executable(unit, unit.symbols["_start"])
