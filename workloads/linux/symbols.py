"""Symbols of kernel files, for lists of hot exits."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from hardware_model.linux_boot import kallsyms
from hardware_model.linux_boot.bz_image import BzImage
from hardware_model.linux_boot.elf import Elf
from hardware_model.linux_boot.errors import KernelError
from workloads.linux import kernels


@lru_cache(maxsize=2)
def kernel_symbols(path: Path) -> dict[str, int]:
    """Functions of a kernel by name, as it was linked; empty if its file does not tell."""
    try:
        kernel = kernels.open_kernel(path)
        if isinstance(kernel, BzImage):
            kernel = Elf(kernel.unpack(), kernel.source)
    except KernelError:
        return {}
    return kernel.symbols() or kallsyms.symbols(kernel)
