"""Workloads that run on Linux: a program of this family on a kernel, or anybody's kernel and ramdisk."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import ClassVar, Literal

from hardware_model.linux_boot.protocol import Kernel
from workloads import header
from workloads.errors import UnknownWorkload
from workloads.linux import kernels, programs
from workloads.linux.initial_ramdisk import CONSOLE, DIRECTORY, REGULAR, Entry, archive
from workloads.linux.kernels import BUSYBOX
from workloads.linux.symbols import kernel_symbols
from workloads.parameters import parameters_of_size

FAMILY = "linux"
DEVICES = "devices"
RAM_MIB = 256
BUDGET = 40_000_000_000
COMMAND_LINE = "console={console} mitigations=off"
"""Without mitigations the kernel does what those of the published measurements did, and a ported one does under Xen."""
_WITH_PCI = " pci=conf1"
"""For programs with devices: without ACPI the kernel looks for PCI only when it is told to. Xen's are not on PCI."""
_CONSOLES = {False: "ttyS0", True: "hvc0"}
_HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Boot:
    """What is booted, as the user said it: paths; `program` names a program of the family.

    Without a `kernel` it is the default of those fetched, without a `program` the `initrd` as it is.
    """

    program: str = ""
    kernel: str = ""
    initrd: str = ""
    append: str = ""


@dataclass(frozen=True, slots=True)
class LinuxWorkload:
    """A cell's guest on Linux; attributes as those of `Workload`, `boot` says what is booted."""

    name: str
    path: Path
    title: str
    stresses: str
    outcome: str
    sizes: dict[str, dict[str, int]]
    slots: tuple[str, ...]
    expect: dict[str, str]
    boot: Boot
    family: str = FAMILY
    needs: tuple[str, ...] = ()
    budget: int | None = BUDGET
    ram_mib: int = RAM_MIB
    on_linux: ClassVar[Literal[True]] = True

    def named_parameters(self, size: str) -> dict[str, int]:
        """Parameters by name, in declared order; ValueError for a size or parameter that does not exist."""
        return parameters_of_size(self.name, self.sizes, size)

    @property
    def source(self) -> str:
        """What finds the workload again, see `from_source`."""
        return json.dumps({"name": self.name, **asdict(self.boot)}, sort_keys=True)

    @property
    def missing(self) -> str:
        """Why the workload cannot run here; empty if it can."""
        if self.kernel_path is None:
            return kernels.NO_KERNEL
        if self.boot.program == BUSYBOX and kernels.busybox() is None:
            return "there is no busybox: `trapbench fetch linux` gets it"
        if DEVICES in self.needs and not self._modules():
            return kernels.NO_MODULES
        return ""

    @property
    def kernel_path(self) -> Path | None:
        """The kernel's file."""
        return Path(self.boot.kernel) if self.boot.kernel else kernels.default()

    @property
    def digest(self) -> str:
        """A digest of everything that is booted."""
        parts = [self.source]
        files = [self.kernel_path, Path(self.boot.initrd) if self.boot.initrd else None]
        files += self._modules()
        if self.boot.program == BUSYBOX:
            files.append(kernels.busybox())
        parts += [kernels.digest(path) for path in files if path is not None]
        if self.boot.program:
            parts += [source.read_text() for source in (self.path, *_runtime())]
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()

    def kernel(self, size: str, *, ported: bool) -> Kernel:
        """Kernel, ramdisk and command line; `ported`: the console is Xen's. Raises KernelError, WorkloadError."""
        path = self.kernel_path
        assert path is not None, self.missing
        command_line = self.boot.append or COMMAND_LINE.format(console=_CONSOLES[ported])
        if DEVICES in self.needs and not ported:
            command_line += _WITH_PCI
        return Kernel(kernels.open_kernel(path), self._ramdisk(size), command_line)

    def symbols(self) -> dict[str, int]:
        """The kernel's symbols by name."""
        path = self.kernel_path
        return kernel_symbols(path) if path is not None else {}

    def _ramdisk(self, size: str) -> bytes:
        if not self.boot.program:
            return kernels.read(Path(self.boot.initrd)) if self.boot.initrd else b""
        if self.boot.program == BUSYBOX:
            return _userland(self.path.read_bytes())
        parameters, drivers = self.named_parameters(size), self._modules()
        init = programs.build(self.path, parameters, len(self.slots), devices=bool(drivers))
        return archive((*CONSOLE, Entry("init", REGULAR, init), *_packed(drivers)))

    def _modules(self) -> list[Path]:
        """The drivers that the program loads, in order."""
        path = self.kernel_path
        return kernels.modules(path.parent) if DEVICES in self.needs and path else []


def _packed(modules: list[Path]) -> list[Entry]:
    """The modules where programs look for them, see runtime/devices.asm."""
    files = [Entry(f"modules/{n:02}", REGULAR, kernels.read(m)) for n, m in enumerate(modules)]
    return [Entry("modules", DIRECTORY), *files] if files else []


def _userland(script: bytes) -> bytes:
    busybox = kernels.busybox()
    assert busybox is not None
    return archive(
        (*CONSOLE, Entry("init", REGULAR, script), Entry(BUSYBOX, REGULAR, busybox.read_bytes()))
    )


def _runtime() -> list[Path]:
    return sorted([*programs.RUNTIME.glob("*.asm"), *_HERE.glob("*.py")])


def programs_of_the_family(kernel: str = "") -> dict[str, LinuxWorkload]:
    """The family's workloads by name, on `kernel` or on the default one."""
    files = [*sorted(_HERE.glob("*.asm")), _HERE / "busybox.sh"]
    return {w.name: w for path in files for w in _of_file(path, kernel)}


def _of_file(path: Path, kernel: str) -> list[LinuxWorkload]:
    about = _header(path)
    every: Mapping[str, dict[str, dict[str, int]]] = {
        path.stem: about.sizes,
        **{f"{path.stem}@{variant}": sizes for variant, sizes in about.variants.items()},
    }
    ending = f" on {kernels.title(Path(kernel))}" if kernel else ""
    return [
        LinuxWorkload(
            name=f"{FAMILY}/{stem}{ending}",
            path=path,
            title=about.title,
            stresses=about.stresses,
            outcome=about.outcome,
            sizes=sizes,
            slots=about.slots,
            expect=about.expect,
            boot=Boot(program=path.stem, kernel=kernel),
            needs=about.needs,
            budget=about.budget or BUDGET,
        )
        for stem, sizes in every.items()
    ]


@cache
def _header(path: Path) -> header.Header:
    return header.parse(path.read_text(encoding="utf-8"), str(path))


def named(kernel: str, initrd: str, append: str) -> LinuxWorkload:
    """Anybody's kernel with a ramdisk and a command line. KernelError if the files cannot be booted."""
    kernels.open_kernel(Path(kernel))
    if initrd:
        kernels.digest(Path(initrd))
    said = hashlib.sha256(f"{initrd}\0{append}".encode()).hexdigest()[:6]
    return LinuxWorkload(
        name=f"kernel/{kernels.title(Path(kernel))}@{said}",
        path=Path(kernel),
        title=f"{kernels.title(Path(kernel))} with {Path(initrd).name or 'no ramdisk'}",
        stresses="whatever it does",
        outcome="its console",
        sizes={size: {} for size in header.SIZES},
        slots=(),
        expect={},
        boot=Boot(kernel=kernel, initrd=initrd, append=append),
        family="kernel",
    )


def from_source(source: str) -> LinuxWorkload:
    """The workload whose `source` this is; UnknownWorkload if there is none any more."""
    said = json.loads(source)
    name, boot = said.pop("name"), Boot(**said)
    if not boot.program:
        return named(boot.kernel, boot.initrd, boot.append)
    family = programs_of_the_family(boot.kernel)
    if name not in family:
        raise UnknownWorkload(name, family)
    return family[name]
