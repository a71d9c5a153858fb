"""Content keys: a cell whose key is unchanged would give the same counters again."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from functools import cache
from importlib import metadata, resources
from pathlib import Path

from results.cell import Cell

#: The packages whose code a cell's counters depend on.
_SOURCES = ("hardware_model", "techniques", "workloads")
_DEPENDENCIES = ("unicorn", "keystone-engine", "iced-x86")


def digest(*parts: bytes) -> str:
    """SHA-256 over parts, each preceded by its length, in hexadecimal."""
    sha = hashlib.sha256()
    for part in parts:
        sha.update(len(part).to_bytes(8, "little"))
        sha.update(part)
    return sha.hexdigest()


@cache
def source_digest() -> str:
    """The digest of the Python sources that counters depend on, and of the engines' versions."""
    parts = [f"{name} {metadata.version(name)}".encode() for name in _DEPENDENCIES]
    for package in _SOURCES:
        root = Path(str(resources.files(package)))
        for path in sorted(root.rglob("*.py")):
            parts += [path.relative_to(root.parent).as_posix().encode(), path.read_bytes()]
    return digest(*parts)


def content_key(cell: Cell, workload: str, geometry: str, budget: int | None) -> str:
    """The key of a cell, given the digests of its workload's binary and of its geometry."""
    facts = {**asdict(cell), "binary": workload, "tlb": geometry, "budget": budget}
    return digest(json.dumps(facts, sort_keys=True).encode(), source_digest().encode())
