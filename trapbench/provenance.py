"""Where a result comes from: versions, commit, host, and hashes of everything that was run."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import workloads
from hardware_model import presets
from results.manifest import Manifest
from results.planned import Planned
from trapbench.content_key import source_digest

_PACKAGES = ("trapbench", "unicorn", "keystone-engine", "iced-x86", "numba", "numpy", "pyarrow")
_ROOT = Path(__file__).resolve().parent.parent


def manifest(plan: Sequence[Planned], command: str) -> Manifest:
    """The manifest of a run that starts now."""
    geometries = sorted({planned.cell.geometry for planned in plan})
    return Manifest(
        plan=tuple(plan),
        command=command,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        versions=_versions(),
        git=_git(),
        host=_host(),
        geometries={name: presets.geometry_digest(name) for name in geometries},
        workloads=_workloads(plan),
        presets={name: presets.digest(name) for name in presets.names()},
        parameters=_parameters(plan),
        model=source_digest(),
    )


def _workloads(plan: Iterable[Planned]) -> dict[str, str]:
    sources = {planned.cell.workload: planned.source for planned in plan}
    return {name: workloads.find(source).digest for name, source in sorted(sources.items())}


def _parameters(plan: Iterable[Planned]) -> dict[str, dict[str, int]]:
    sources = {(planned.cell.workload, planned.cell.size): planned.source for planned in plan}
    return {
        f"{name} {size}": workloads.find(source).named_parameters(size)
        for (name, size), source in sorted(sources.items())
    }


def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = "not installed"
    return versions


def _host() -> dict[str, Any]:
    return {
        "name": platform.node(),
        "system": platform.platform(),
        "processor": _processor(),
        "processors": os.cpu_count(),
    }


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _git() -> dict[str, Any]:
    """Commit and dirty flag of the checkout the package runs from; empty when it is no checkout."""
    if not (_ROOT / ".git").exists():
        return {}
    try:
        commit = _ask_git("rev-parse", "HEAD")
        changes = _ask_git("status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.CalledProcessError):
        return {}
    return {"commit": commit, "dirty": bool(changes)}


def _ask_git(*arguments: str) -> str:
    command = ["git", "-C", str(_ROOT), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
