"""Kernels and userland that `trapbench fetch linux` has brought, in the user's cache directory."""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache
from pathlib import Path

from hardware_model.linux_boot import bz_image
from hardware_model.linux_boot.bz_image import BzImage
from hardware_model.linux_boot.elf import Elf
from hardware_model.linux_boot.errors import KernelError

PLAIN, PACKED, SYMBOLS, BUSYBOX = "vmlinux", "vmlinuz", "System.map", "busybox"
MODULES = "modules"
FRONT_ENDS = ("xen-blkfront", "xen-netfront")
VIRTIO = (
    "virtio_ring", "virtio", "virtio_pci_legacy_dev", "virtio_pci_modern_dev", "virtio_pci",
    "virtio_blk", "failover", "net_failover", "virtio_net",
)  # fmt: skip
IDE = ("scsi_common", "scsi_mod", "libata", "ata_piix", "sd_mod")
DRIVERS = (*FRONT_ENDS, *VIRTIO, *IDE)
"""Modules that drive disk and network, in the order in which they are loaded: Xen's, those of virtio devices, and those
of the machine's own disk."""
_ALWAYS_MODULES = {*FRONT_ENDS, "virtio_blk", "virtio_net", "ata_piix", "sd_mod"}
NO_MODULES = "there are no modules for disk and network beside the kernel: `trapbench fetch linux` gets one with them"
NO_KERNEL = "there is no Linux kernel: `trapbench fetch linux` gets one, or name one with --kernel"


def directory() -> Path:
    """Where fetched kernels are, each in a folder named after its release."""
    from platformdirs import user_cache_path

    return user_cache_path("trapbench") / "linux"


def fetched() -> list[Path]:
    """The folders of the fetched kernels, the oldest release first: the first one is the family's default."""
    folders = (folder for folder in directory().glob("*") if (folder / PLAIN).is_file())
    return sorted(folders, key=lambda folder: _release(folder.name))


def _release(name: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", name)]


def title(path: Path) -> str:
    """What tells a kernel's file from others: its release if it was fetched, else its file name."""
    if path.parent.parent == directory():
        return path.parent.name if path.name == PLAIN else f"{path.parent.name}.{path.name}"
    return path.name


def modules(folder: Path, names: tuple[str, ...] = DRIVERS) -> list[Path]:
    """The modules `names` of a fetched kernel, in their order, without what is built in; none if one is missing."""
    files = {name: folder / MODULES / f"{name}.ko" for name in names}
    if any(not files[name].is_file() for name in _ALWAYS_MODULES.intersection(names)):
        return []
    return [file for file in files.values() if file.is_file()]


def default() -> Path | None:
    """The unpacked kernel of the oldest release fetched."""
    folders = fetched()
    return folders[0] / PLAIN if folders else None


def busybox() -> Path | None:
    """The static busybox, if it was fetched."""
    path = directory() / BUSYBOX
    return path if path.is_file() else None


def read(path: Path) -> bytes:
    """A file that the user named; KernelError if it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise KernelError(f"{path} cannot be read: {error.strerror}") from None


def open_kernel(path: Path) -> Elf | BzImage:
    """The kernel in `path`; KernelError if it is none that can be booted."""
    data = read(path)
    if bz_image.is_bz_image(data):
        return bz_image.parse(data, str(path))
    return Elf(data, str(path))


@lru_cache(maxsize=32)
def _digest(path: Path, modified: int, size: int) -> str:
    return hashlib.sha256(read(path)).hexdigest()


def digest(path: Path) -> str:
    """SHA-256 of a file's content; KernelError if it cannot be read."""
    try:
        status = path.stat()
    except OSError as error:
        raise KernelError(f"{path} cannot be read: {error.strerror}") from None
    return _digest(path, status.st_mtime_ns, status.st_size)
