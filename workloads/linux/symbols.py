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
    """Functions of a kernel by name, as it was linked; empty if neither a System.map beside it nor its file tells.

    A damaged table of symbols tells nothing: names are for people, the kernel boots without them.
    """
    table = path.parent / kernels.SYMBOLS
    if table.is_file():
        rows = (line.split() for line in table.read_text(encoding="latin-1").splitlines())
        return {row[2]: int(row[0], 16) for row in rows if len(row) == 3}
    try:
        kernel = kernels.open_kernel(path)
        if isinstance(kernel, BzImage):
            kernel = Elf(kernel.unpack(), kernel.source)
        return kernel.symbols() or kallsyms.symbols(kernel)
    except KernelError:
        return {}
