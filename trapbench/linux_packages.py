"""Debian's Linux kernel and static busybox, fetched by the system's package manager into the user's cache.

`apt-get download` needs no root and installs nothing; dpkg-deb unpacks. The kernel is stored as it comes (vmlinuz), as
the ELF file inside it (vmlinux), with the symbol table that it carries (System.map) and its modules for the disks and
cards of the I/O models.
"""

from __future__ import annotations

import lzma
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from hardware_model.linux_boot import bz_image, kallsyms
from hardware_model.linux_boot.elf import Elf
from workloads.linux import kernels

VERSIONS = ("6.1", "6.12")
"""Major versions that the linux family is tested on, the default one first."""
BUSYBOX_PACKAGE = "busybox-static"
_NEEDED = ("apt-get", "apt-cache", "dpkg-deb")
_FLAVOUR = "cloud-amd64"
_ADVICE = (
    "take a kernel from any distribution instead and name it: "
    "trapbench run --kernel /boot/vmlinuz-VERSION --initrd FILE --append 'console=ttyS0'"
)


class FetchError(Exception):
    """The kernel could not be had; the sentence says why and what to do."""


def fetch(versions: tuple[str, ...] = VERSIONS) -> Iterator[Path]:
    """Fetch the newest kernel of each version, and busybox; yields what is there then, fetched now or before."""
    missing = [tool for tool in _NEEDED if shutil.which(tool) is None]
    if missing:
        raise FetchError(f"no {missing[0]} here, so Debian's kernel cannot be fetched; {_ADVICE}")
    for version in versions:
        yield _fetch_kernel(version)
    yield _fetch_busybox()


def _fetch_kernel(version: str) -> Path:
    package = _newest(version)
    target = kernels.directory() / package.removeprefix("linux-image-")
    if not (target / kernels.PLAIN).is_file() or not kernels.modules(target):
        with tempfile.TemporaryDirectory() as work:
            content = _unpacked(package, Path(work))
            packed = next(content.glob("boot/vmlinuz-*")).read_bytes()
            _keep_modules(content, target)
        plain = bz_image.parse(packed, package).unpack()
        (target / kernels.PACKED).write_bytes(packed)
        (target / kernels.SYMBOLS).write_text(_system_map(plain, package))
        temporary = target / f"{kernels.PLAIN}.part"
        temporary.write_bytes(plain)
        temporary.replace(target / kernels.PLAIN)
    return target / kernels.PLAIN


def _keep_modules(content: Path, target: Path) -> None:
    """The modules that a guest may need, unpacked."""
    folder = target / kernels.MODULES
    folder.mkdir(parents=True, exist_ok=True)
    for name in kernels.DRIVERS:
        for found in content.glob(f"**/{name}.ko*"):
            data = found.read_bytes()
            plain = lzma.decompress(data) if found.suffix == ".xz" else data
            (folder / f"{name}.ko").write_bytes(plain)


def _system_map(plain: bytes, source: str) -> str:
    found = kallsyms.symbols(Elf(plain, source))
    rows = sorted((address, name) for name, address in found.items())
    return "".join(f"{address:016x} t {name}\n" for address, name in rows)


def _fetch_busybox() -> Path:
    target = kernels.directory() / kernels.BUSYBOX
    if not target.is_file():
        with tempfile.TemporaryDirectory() as work:
            shutil.copy(_unpacked(BUSYBOX_PACKAGE, Path(work)) / "bin/busybox", target)
    return target


def _newest(version: str) -> str:
    """The newest package of a version: of its small flavour for virtual machines where there is one."""
    pattern = rf"^linux-image-{re.escape(version)}\.[0-9.+a-z-]*amd64$"
    listed = _run("apt-cache", "search", "--names-only", pattern).split("\n")
    names = [line.split(" ")[0] for line in listed if line]
    plain = [name for name in names if "-rt-" not in name and "-cloud-" not in name]
    if not plain:
        raise FetchError(
            f"the package lists have no Linux {version} (`apt-get update` renews them); {_ADVICE}"
        )
    newest = max(plain, key=_release)
    small = newest.replace("amd64", _FLAVOUR)
    return small if small in names else newest


def _release(name: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", name)]


def _unpacked(package: str, work: Path) -> Path:
    _run("apt-get", "download", package, cwd=work)
    archive = next(work.glob("*.deb"), None)
    if archive is None:
        raise FetchError(f"apt-get download {package} brought nothing; {_ADVICE}")
    _run("dpkg-deb", "-x", str(archive), str(work / "content"))
    return work / "content"


def _run(*command: str, cwd: Path | None = None) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise FetchError(f"{' '.join(command[:3])} failed ({said}); {_ADVICE}")
    return done.stdout
