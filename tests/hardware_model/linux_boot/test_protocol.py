"""The 64-bit boot protocol: what a kernel finds in memory and registers when it starts."""

from __future__ import annotations

import struct

import pytest

from hardware_model.executor.words import Mode
from hardware_model.linux_boot import bz_image, protocol
from hardware_model.linux_boot.elf import Elf
from hardware_model.linux_boot.errors import KernelError
from hardware_model.linux_boot.protocol import Kernel
from hardware_model.machine import End, Machine
from tests.hardware_model.linux_boot import kernel_files as files

RAM = 32 << 20
# Leaves by the debug-exit port with the magic number that it finds in the boot parameters: mov eax, [rsi + 0x202];
# mov edx, 0xf4; out dx, eax
PROGRAM = b"\x8b\x86\x02\x02\0\0\xba\xf4\0\0\0\xef"
MAGIC = int.from_bytes(bz_image.MAGIC, "little")


def _load(kernel: Kernel, ram: int = RAM) -> tuple[Machine, int]:
    machine = Machine(ram)
    state = protocol.load(machine.memory, ram, kernel)
    machine.load_state(state)
    return machine, state.gpr[6]


def test_an_elf_kernel_is_entered_with_the_boot_parameters() -> None:
    machine, _ = _load(Kernel(Elf(files.elf(PROGRAM), "k"), b"", ""))
    assert machine.run(Mode.BARE, 100) is End.EXITED
    assert machine.guest_status == MAGIC


def test_a_bz_image_is_entered_512_bytes_behind_its_start() -> None:
    data = files.bz(files.elf())
    code = b"\x90" * bz_image.ENTRY_64 + PROGRAM
    data = data[: 3 * 512] + code.ljust(0x400, b"\x90") + data[3 * 512 + 0x400 :]
    machine, _ = _load(Kernel(bz_image.parse(data, "k"), b"", ""))
    assert machine.run(Mode.BARE, 100) is End.EXITED
    assert machine.guest_status == MAGIC


def test_ramdisk_command_line_and_memory_map_are_where_the_parameters_say() -> None:
    machine, at = _load(
        Kernel(Elf(files.elf(PROGRAM), "k"), b"ramdisk" * 1000, "console=ttyS0 quiet")
    )
    page = machine.memory.read(at, 4096)
    image, size = struct.unpack_from("<II", page, 0x218)
    line = struct.unpack_from("<I", page, 0x228)[0]
    assert machine.memory.read(image, size) == b"ramdisk" * 1000
    assert image % 4096 == 0
    assert machine.memory.read(line, 20) == b"console=ttyS0 quiet\0"
    ranges = [struct.unpack_from("<QQI", page, 0x2D0 + 20 * n) for n in range(page[0x1E8])]
    assert ranges == protocol.memory_map(RAM)
    assert ranges[-1] == (1 << 20, RAM - (1 << 20), 1)


def test_what_a_kernel_expects_to_be_zero_is_zero() -> None:
    machine, _ = _load(Kernel(Elf(files.elf(PROGRAM, bss=0x4000), "k"), b"", ""))
    assert not any(machine.memory.read(files.PHYSICAL + len(PROGRAM), 0x4000))


@pytest.mark.parametrize(
    ("kernel", "ram", "sentence"),
    [
        (
            Kernel(Elf(files.elf(b"", bss=64 << 20), "k"), b"", ""),
            RAM,
            "the kernel needs memory up to",
        ),
        (
            Kernel(Elf(files.elf(PROGRAM), "k"), bytes(17 << 20), ""),
            RAM,
            "but not the ramdisk of 17825792 bytes",
        ),
        (
            Kernel(Elf(files.elf(PROGRAM), "k"), b"", "x" * 2048),
            RAM,
            "a command line of 2048 bytes; 2047 at most",
        ),
    ],
)
def test_what_does_not_fit_is_refused(kernel: Kernel, ram: int, sentence: str) -> None:
    with pytest.raises(KernelError, match=sentence):
        protocol.load(Machine(ram).memory, ram, kernel)
