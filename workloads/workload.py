"""A workload: one source file (or one variant of it) in three sizes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import ClassVar, Literal

from workloads import header
from workloads.errors import Place, WorkloadError
from workloads.image import Image, build
from workloads.image_cache import cached
from workloads.parameters import parameters_of_size

_HERE = Path(__file__).parent
EXTERNAL_FAMILY = "external"
DRIVEN = {"devices", "rings"}  # in `needs`: drivers are assembled into the kernel


@dataclass(frozen=True, slots=True)
class Workload:
    """What to run. `name` is `family/stem` or `family/stem@variant`.

    `needs` names machine features without which the workload makes no sense; `expect` maps a technique
    to the status its cell must have where that is not `ok`; `slots` names the words of `result`; `disk` is the
    file whose sectors the guest's disk holds, generated ones without.
    """

    name: str
    family: str
    path: Path
    title: str
    stresses: str
    outcome: str
    sizes: dict[str, dict[str, int]]
    needs: tuple[str, ...]
    expect: dict[str, str]
    slots: tuple[str, ...]
    budget: int | None
    ram_mib: int
    digest: str
    disk: Path | None = None
    on_linux: ClassVar[Literal[False]] = False

    @property
    def source(self) -> str:
        """What finds the workload again from any folder: its name in the suite, else its path."""
        if _HERE in self.path.resolve().parents:
            return self.name
        variant = self.name.partition("@")[2]
        return f"{self.path.resolve()}{'@' if variant else ''}{variant}"

    def named_parameters(self, size: str) -> dict[str, int]:
        """Parameters by name, in declared order; ValueError for a size or parameter that does not exist.

        `small,rounds=10` is the size small with another value of one parameter.
        """
        return parameters_of_size(self.name, self.sizes, size)

    def parameters(self, size: str) -> tuple[int, ...]:
        """Parameters (u64) in declared order, as the boot information passes them."""
        return tuple(self.named_parameters(size).values())

    def image(self, pv: bool = False, ring1: bool = False) -> Image:
        """The image to boot, with `pv` the one ported to Xen's interface (`ring1`: for CPL 1); raises WorkloadError."""
        names = tuple(self.named_parameters("small"))
        kind = ("pv-ring1" if ring1 else "pv") if pv else "native"
        devices = not DRIVEN.isdisjoint(self.needs)
        return cached(
            f"{_binary_key(self.path)}-{kind}", lambda: build(self.path, names, pv, devices, ring1)
        )


def load(path: Path, family: str | None = None) -> list[Workload]:
    """The workloads of one file, the plain one first, then its variants; raises WorkloadError."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise WorkloadError(Place(str(path), 0), f"cannot be read: {reason}") from None
    about = header.parse(text, str(path))
    belongs = family or about.family or EXTERNAL_FAMILY
    if about.family not in (None, belongs):
        raise WorkloadError(Place(str(path), 1), f"the family is {belongs!r}, its folder")
    name = f"{belongs}/{path.stem}"
    every = {name: about.sizes} | {f"{name}@{v}": s for v, s in about.variants.items()}
    return [_workload(n, belongs, path, about, sizes) for n, sizes in every.items()]


def _workload(
    name: str, family: str, path: Path, about: header.Header, sizes: dict[str, dict[str, int]]
) -> Workload:
    disk = Path(about.disk) if about.disk else None
    held = hashlib.sha256(disk.read_bytes()).hexdigest() if disk else ""
    digest = hashlib.sha256(f"{name}\n{_binary_key(path)}{held}".encode()).hexdigest()
    return Workload(
        name=name,
        family=family,
        path=path,
        title=about.title,
        stresses=about.stresses,
        outcome=about.outcome,
        sizes=sizes,
        needs=about.needs,
        expect=about.expect,
        slots=about.slots,
        budget=about.budget,
        ram_mib=about.ram_mib,
        digest=digest,
        disk=disk,
    )


def _binary_key(path: Path) -> str:
    """A digest of the workload's source and of everything that is assembled around it."""
    content = hashlib.sha256(path.read_bytes()).hexdigest()
    return hashlib.sha256((content + _toolchain_key()).encode()).hexdigest()


@cache
def _toolchain_key() -> str:
    digest = hashlib.sha256()
    for source in (*sorted(_HERE.glob("*.py")), *sorted(_HERE.glob("kernel_source/*.asm"))):
        digest.update(source.name.encode() + b"\0" + source.read_bytes())
    return digest.hexdigest()
