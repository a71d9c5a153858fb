"""Assembled images on disk, in the user's cache directory, keyed by what they are made of."""

from __future__ import annotations

import contextlib
import json
import tempfile
import zlib
from collections.abc import Callable
from pathlib import Path

from workloads.image import Image

_FORMAT = 1


def cached(key: str, build: Callable[[], Image]) -> Image:
    """The image stored under `key`, or else what `build` returns, stored for the next time."""
    entry = _directory() / f"{key}.image"
    with contextlib.suppress(OSError, ValueError, KeyError, zlib.error):
        return _decoded(entry.read_bytes())
    image = build()
    with contextlib.suppress(OSError):  # a cache that cannot be written only costs time
        _store(entry, _encoded(image))
    return image


def _directory() -> Path:
    from platformdirs import user_cache_path

    return user_cache_path("trapbench") / f"images-{_FORMAT}"


def _encoded(image: Image) -> bytes:
    about = {"base": image.base, "entry": image.entry, "symbols": image.symbols}
    return (
        json.dumps(about | {"bytes": len(image.code)}).encode()
        + b"\n"
        + zlib.compress(image.code, 1)
    )


def _decoded(stored: bytes) -> Image:
    about, _, compressed = stored.partition(b"\n")
    table, code = json.loads(about), zlib.decompress(compressed)
    if len(code) != table["bytes"]:
        raise ValueError("a truncated cache entry")
    return Image(code, table["base"], table["entry"], table["symbols"])


def _store(entry: Path, content: bytes) -> None:
    entry.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=entry.parent, delete=False) as file:
        file.write(content)
    Path(file.name).replace(entry)
