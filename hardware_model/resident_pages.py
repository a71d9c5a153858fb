"""Which pages of a buffer the host holds: those never stored to are all zero, and need not be read to know it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

_PAGE = 4096
_PAGEMAP = Path("/proc/self/pagemap")
#: Present, or swapped out (Linux, Documentation/admin-guide/mm/pagemap.rst).
_HELD = np.uint64(3 << 62)


def resident(buffer: np.ndarray) -> np.ndarray:
    """Numbers of the 4 KiB pages of `buffer`, private memory that began as zeros at a page's start, which may hold
    anything else than zeros; all pages where the host does not tell.
    """
    pages = -(-buffer.nbytes // _PAGE)
    first = buffer.ctypes.data // _PAGE
    try:
        with _PAGEMAP.open("rb", buffering=0) as entries:
            entries.seek(first * 8)
            found = np.frombuffer(entries.read(pages * 8), np.uint64)
    except OSError:
        found = np.empty(0, np.uint64)
    if len(found) != pages:
        return np.arange(pages)
    return np.nonzero(found & _HELD)[0]
