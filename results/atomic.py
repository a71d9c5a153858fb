"""Files that are either whole or absent, whatever happens to the process that writes them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from results.errors import ResultsError


@contextmanager
def writing(path: Path) -> Iterator[Path]:
    """A temporary file beside `path` to be filled, which becomes `path` in one step when that has succeeded.

    A reader sees the old file or the new one, never a part. Raises ResultsError when the folder
    cannot be written to.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield temporary
        _flush(temporary)
        temporary.replace(path)
        _flush(path.parent)
    except OSError as error:
        raise ResultsError(f"{path} cannot be written ({error.strerror or error})") from error
    finally:
        temporary.unlink(missing_ok=True)


def write(path: Path, fill: Callable[[Path], None]) -> None:
    """Let `fill` write the file that becomes `path`, as by `writing`."""
    with writing(path) as temporary:
        fill(temporary)


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
