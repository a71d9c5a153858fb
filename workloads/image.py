"""The flat image that a guest boots: kernel and, behind it, the pages of the user program."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from workloads import source
from workloads.assembler import Unit, assemble
from workloads.errors import Place, WorkloadError
from workloads.source import Statement

KERNEL_BASE = 0xFFFF_FFFF_8000_0000
IMAGE_PHYSICAL = 0x10_0000
USER_BASE = 0x40_0000
_STARTS = {"kernel": "workload_main", "user": "user_main"}
KERNEL_SOURCE = Path(__file__).parent / "kernel_source"
DEFINITIONS = ("abi.asm", "address_map.asm", "structures.asm", "pv_ops.asm")
KERNEL_FILES = (
    "boot.asm",
    "paging.asm",
    "descriptors.asm",
    "traps.asm",
    "memory.asm",
    "page_tables.asm",
    "page_walk.asm",
    "regions.asm",
    "page_faults.asm",
    "user_access.asm",
    "scheduler.asm",
    "processes.asm",
    "fork_and_exec.asm",
    "system_calls.asm",
    "memory_calls.asm",
    "signals.asm",
    "pipes.asm",
    "timer.asm",
    "uart.asm",
    "panic.asm",
)
"""The kernel, in the order in which it is meant to be read; boot.asm comes first in the image."""
DRIVER_FILES = (
    "devices.asm",
    "pci.asm",
    "disk_controller.asm",
    "network_card.asm",
    "virtio.asm",
    "virtio_disk.asm",
    "virtio_network.asm",
    "station.asm",
)
"""What is assembled into the kernel for workloads that need devices, after the kernel's own files."""
XEN_REPLACES = {
    "pv_ops.asm": ("pv_ops_xen.asm",),
    "paging.asm": ("xen_start.asm", "xen_paging.asm", "xen_roots.asm", "xen_hypercalls.asm"),
    "descriptors.asm": ("xen_events.asm",),
    "uart.asm": (),
    "pci.asm": ("xen_grants.asm",),
    "disk_controller.asm": ("xen_disk.asm",),
    "network_card.asm": ("xen_network.asm",),
    "virtio.asm": (),
    "virtio_disk.asm": (),
    "virtio_network.asm": (),
}
"""What takes the place of which file in the kernel that is ported to Xen's interface; all others are shared."""
RING1_REPLACES = {"xen_roots.asm": "xen_roots_ring1.asm"}
"""The same for the ported kernel at CPL 1, whose programs' system calls do not go through Xen."""


@dataclass(frozen=True, slots=True)
class Image:
    """`code` lies at linear address `base` and starts at `entry`; `symbols` are linear addresses."""

    code: bytes
    base: int
    entry: int
    symbols: dict[str, int]


def build(
    path: Path,
    parameters: Sequence[str],
    pv: bool = False,
    devices: bool = False,
    ring1: bool = False,
) -> Image:
    """Assemble kernel and workload, with `devices` the drivers too; `ring1`: the ported kernel for CPL 1.

    Raises AssemblyError, or WorkloadError if a start is missing.
    """
    workload = source.read(path)
    _check_starts(path, workload)
    parts = {statement.section for statement in workload}
    constants = {f"PARAM_{name.upper()}": index for index, name in enumerate(parameters)}
    constants |= {"PV": 1} if pv else {}
    constants |= {"PV_DIRECT": 1} if ring1 else {}
    constants |= {"HAS_DEVICES": 1} if devices else {}
    abi = kernel_statements(DEFINITIONS[:1])
    user = None
    if "user" in parts:
        program = _by_gate(workload) if ring1 else workload
        user = assemble([*abi, *program], ("user", "user_data"), USER_BASE, constants)
    constants |= _user_constants(user) | _part_constants(parts)
    statements = [*kernel_statements(kernel_files(pv, devices, ring1)), *workload]
    if ring1:
        statements = [statement.with_text(_without_gs(statement.text)) for statement in statements]
    base = KERNEL_BASE + IMAGE_PHYSICAL
    kernel = assemble(statements, ("kernel", "kernel_data"), base, constants)
    code = kernel.code + (user.code if user else b"")
    return Image(code, base, entry=base, symbols=_symbols(kernel, user))


def kernel_files(pv: bool, devices: bool = False, ring1: bool = False) -> list[str]:
    """The kernel's source files, definitions first; `pv`: those of the kernel ported to Xen's interface, `ring1`: for
    CPL 1; `devices`: with drivers.
    """
    names = (*DEFINITIONS, *KERNEL_FILES, *(DRIVER_FILES if devices else ()))
    files = [f for name in names for f in (XEN_REPLACES.get(name, (name,)) if pv else (name,))]
    return [RING1_REPLACES.get(file, file) if ring1 else file for file in files]


def _by_gate(statements: Sequence[Statement]) -> list[Statement]:
    """A program whose system calls go through a gate: as the C library of such a system would make them."""
    return [
        s.with_text("int 0x80") if s.section == "user" and s.text == "syscall" else s
        for s in statements
    ]


def _without_gs(text: str) -> str:
    """A kernel that cannot execute SWAPGS reaches the record of its only processor by its address."""
    return text.replace("gs:[CPU_", "[rip + processor + CPU_")


def kernel_statements(names: Sequence[str]) -> list[Statement]:
    """The statements of kernel files, placed as `kernel_source/<name>`."""
    return [
        statement
        for name in names
        for statement in source.read(KERNEL_SOURCE / name, f"kernel_source/{name}")
    ]


def _check_starts(path: Path, statements: Sequence[Statement]) -> None:
    """WorkloadError unless there is a part, and each part has its start."""
    parts = {statement.section for statement in statements} & set(_STARTS)
    if not parts:
        raise WorkloadError(Place(str(path), 0), "a workload needs a @kernel or a @user section")
    labels = {statement.text for statement in statements}
    for part in sorted(parts):
        if f"{_STARTS[part]}:" not in labels:
            sentence = f"the @{part} section does not define {_STARTS[part]}"
            raise WorkloadError(Place(str(path), 0), sentence)


def _part_constants(parts: set[str]) -> dict[str, int]:
    names = {"kernel": "HAS_KERNEL_PART", "user": "HAS_USER_PART"}
    return {name: 1 for section, name in names.items() if section in parts}


def _user_constants(user: Unit | None) -> dict[str, int]:
    """Where the user program's pages lie in the image and where it starts."""
    if user is None:
        return {"USER_TEXT_BYTES": 0, "USER_DATA_BYTES": 0, "USER_MAIN": 0}
    return {
        "USER_TEXT_BYTES": user.sizes["user"],
        "USER_DATA_BYTES": user.sizes["user_data"],
        "USER_MAIN": user.symbols["user_main"],
    }


def _symbols(kernel: Unit, user: Unit | None) -> dict[str, int]:
    """All labels; a user label that the kernel has too gets the ending `@user`."""
    symbols = dict(kernel.symbols)
    for name, address in (user.symbols if user else {}).items():
        symbols[f"{name}@user" if name in symbols else name] = address
    return symbols
