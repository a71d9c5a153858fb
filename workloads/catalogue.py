"""Finding workloads: every `workloads/<family>/<name>.asm`, and files from elsewhere by path."""

from __future__ import annotations

from functools import cache
from os import PathLike, fspath
from pathlib import Path

from workloads.errors import UnknownWorkload
from workloads.linux import workload as linux_workload
from workloads.linux.workload import LinuxWorkload
from workloads.workload import Workload, load

_HERE = Path(__file__).parent
_NOT_OUR_KERNEL = ("kernel_source", "linux")


def all() -> list[Workload]:
    """Every workload on our own kernel, by family and name; raises WorkloadError for a broken file."""
    return list(_suite().values())


def linux(kernel: str = "") -> list[LinuxWorkload]:
    """The family *linux*, on `kernel` (a path) or on the default of those fetched; WorkloadError for a broken file."""
    return list(linux_workload.programs_of_the_family(kernel).values())


def find(name_or_path: str | PathLike[str]) -> Workload | LinuxWorkload:
    """The workload of a name (with or without its family, if unique), of a path to a file, or of a `source`.

    `@variant` may follow the first two. Raises UnknownWorkload, or WorkloadError for a broken file.
    """
    asked = fspath(name_or_path)
    if asked.startswith("{"):
        return linux_workload.from_source(asked)
    if asked.startswith(f"{linux_workload.FAMILY}/"):
        family = linux_workload.programs_of_the_family()
        if asked not in family:
            raise UnknownWorkload(asked, family)
        return family[asked]
    stem, _, variant = asked.rpartition("@") if "@" in Path(asked).name else (asked, "", "")
    path = Path(stem)
    if path.is_file() and _HERE not in path.resolve().parents:
        return _chosen(load(path), variant)
    if path.is_file():
        inside = path.resolve().relative_to(_HERE).with_suffix("")
        asked = f"{inside}@{variant}" if variant else str(inside)
    suite = _suite()
    named = [w for w in suite.values() if asked in (w.name, w.name.split("/", 1)[1])]
    if len(named) != 1:
        raise UnknownWorkload(asked, suite)
    return named[0]


def _chosen(loaded: list[Workload], variant: str) -> Workload:
    wanted = f"{loaded[0].name}@{variant}" if variant else loaded[0].name
    for workload in loaded:
        if workload.name == wanted:
            return workload
    raise UnknownWorkload(wanted, [workload.name for workload in loaded])


@cache
def _suite() -> dict[str, Workload]:
    files = sorted(_HERE.glob("*/*.asm"))
    return {
        workload.name: workload
        for path in files
        if path.parent.name not in _NOT_OUR_KERNEL
        for workload in load(path, family=path.parent.name)
    }
