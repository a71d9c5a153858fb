"""Files that are either whole or absent, whatever happens to the process that writes them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from results.errors import ResultsError


def write(path: Path, fill: Callable[[Path], None]) -> None:
    """Let `fill` write a temporary file beside `path`, then rename it to `path` in one step.

    A reader sees the old file or the new one, never a part. Raises ResultsError when the folder
    cannot be written to.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        fill(temporary)
        _flush(temporary)
        temporary.replace(path)
        _flush(path.parent)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise ResultsError(f"{path} cannot be written ({error.strerror or error})") from error


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8 by `write`."""
    write(path, lambda temporary: _fill_text(temporary, text))


def _fill_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
