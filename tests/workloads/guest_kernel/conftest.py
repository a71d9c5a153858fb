"""Small programs on the guest kernel, run natively from files of their own."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

import workloads
from hardware_model.boot import KERNEL_BASE
from hardware_model.machine import End, Machine
from techniques.guest import GuestImage
from techniques.native import Native

MIB = 1 << 20
HEADER = "".join(f'#: {key} = "a test"\n' for key in ("title", "stresses", "outcome"))
MACROS = """
.macro CALL number, first=0, second=0, third=0
    mov rdi, \\first
    mov rsi, \\second
    mov rdx, \\third
    mov eax, \\number
    syscall
.endm
.macro KEEP index, value
    push rax
    CALL SYS_SET_RESULT, \\index, \\value
    pop rax
.endm
.macro EXIT status=0
    CALL SYS_EXIT, \\status
.endm
.macro SAY address, length
    lea rdi, [rip + \\address]
    mov esi, \\length
    mov eax, SYS_WRITE
    syscall
.endm
"""
PRESENT, WRITABLE, USER, LARGE, NO_EXECUTE = 1, 2, 4, 1 << 7, 1 << 63
ADDRESS = 0x000FFFFFFFFFF000


@dataclass(frozen=True)
class Leaf:
    """One mapped page: linear and physical address, the entry, its size."""

    linear: int
    physical: int
    entry: int
    size: int

    @property
    def writable(self) -> bool:
        return bool(self.entry & WRITABLE)

    @property
    def executable(self) -> bool:
        return not self.entry & NO_EXECUTE


@dataclass(frozen=True)
class Ran:
    """A guest at its end."""

    guest: Native
    symbols: dict[str, int]
    end: End

    @property
    def status(self) -> int | None:
        return self.guest.platform.exit_port.status

    @property
    def console(self) -> str:
        """What was written after the kernel's greeting."""
        return bytes(self.guest.platform.uart.output).decode().partition("\n")[2]

    @property
    def words(self) -> tuple[int, ...]:
        """The result words, signed."""
        return struct.unpack(
            "<64q", self.guest.memory.read(self.symbols["result"] - KERNEL_BASE, 512)
        )

    def variable(self, name: str) -> int:
        """A variable of the kernel, 64 bits."""
        return self.guest.memory.read64(self.symbols[name] - KERNEL_BASE)

    def frames_in_use(self) -> tuple[int, int]:
        """Frames and blocks that have an owner and are not the image's."""
        fresh, free = self.variable("fresh_frame") >> 12, self._length("free_frames")
        top = self.guest.memory.size - self.variable("fresh_blocks_end")
        return fresh - free, (top >> 21) - self._length("free_blocks")

    def _length(self, name: str) -> int:
        length, at = 0, self.variable(name)
        while at:
            length, at = length + 1, self.guest.memory.read64(at)
        return length

    def leaves(self, root: int | None = None) -> Iterator[Leaf]:
        """Every page that an address space maps; the kernel's own by default."""
        yield from self._leaves(root or self.variable("kernel_root"), 39, 0)

    def _leaves(self, table: int, shift: int, linear: int) -> Iterator[Leaf]:
        for index in range(512):
            entry = self.guest.memory.read64(table + 8 * index)
            if not entry & PRESENT:
                continue
            at = linear | index << shift
            if shift == 39 and index >= 256:
                at |= 0xFFFF << 48
            if shift == 12 or entry & LARGE:
                yield Leaf(at, entry & ADDRESS & -(1 << shift), entry, 1 << shift)
            else:
                yield from self._leaves(entry & ADDRESS, shift - 9, at)


Run = Callable[..., Ran]


def run_file(path, ram_mib: int = 32, budget: int = 20_000_000, **changed: int) -> Ran:
    """Boot a workload and run it to its end."""
    workload = workloads.find(path)
    image = workload.image()
    values = workload.named_parameters("small") | changed
    ram = ram_mib * MIB
    guest = Native(
        Machine(ram), GuestImage(image.code, tuple(values.values()), image.symbols, ram), {}
    )
    return Ran(guest, image.symbols, guest.run(budget))


@pytest.fixture
def run(tmp_path) -> Run:
    """Runs a program: `run(user text, data text, kernel=text of the kernel part, parameter=value)`."""

    def make(
        user: str = "", data: str = "", kernel: str = "", ram_mib: int = 32, **parameters: int
    ):
        sizes = ", ".join(f"{name} = {value}" for name, value in parameters.items())
        text = HEADER + "".join(f"#: {s} = {{ {sizes} }}\n" for s in ("small", "standard", "large"))
        text += MACROS
        if kernel:
            text += f"@kernel\nworkload_main:\n{kernel}\n"
        if user:
            text += f"@user\nuser_main:\n{user}\n@user_data\n.align 8\n{data}\n"
        path = tmp_path / "program.asm"
        path.write_text(text)
        return run_file(path, ram_mib)

    return make


@pytest.fixture
def run_suite() -> Run:
    """Runs a workload of the suite with other parameters."""
    return run_file


@pytest.fixture
def words(run) -> Callable[..., tuple[int, ...]]:
    """As `run`, for programs that must end well; their result words, signed."""

    def make(*texts: str, **more) -> tuple[int, ...]:
        ran = run(*texts, **more)
        assert (ran.end, ran.status) == (End.EXITED, 0), ran.console
        return ran.words

    return make
