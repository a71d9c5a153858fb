"""The wheel, built from this checkout and installed where nothing of the checkout is on the path."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("hardware_model", "techniques", "workloads", "results", "trapbench")


@dataclass(frozen=True, slots=True)
class Installed:
    """An environment with the wheel: its interpreter, its folder of packages, and the wheel's file."""

    python: Path
    packages: Path
    wheel: Path

    def run(self, folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
        """Run `python COMMAND...` in `folder`, with nothing of this checkout in the environment."""
        environment = {
            k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "PYTEST"))
        }
        return subprocess.run(
            [str(self.python), *command],
            cwd=folder,
            env=environment | {"TRAPBENCH_CACHE": "off"},
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """The wheel in a fresh environment that sees the dependencies of this one."""
    folder = tmp_path_factory.mktemp("wheel")
    wheel = _built(folder)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "env"], check=True)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    packages = folder / "env" / "lib" / version / "site-packages"
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    python = folder / "env" / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet"]
    subprocess.run([*pip, "--no-deps", "--no-index", "--ignore-installed", str(wheel)], check=True)
    _keep_compiled(packages)
    return Installed(python, packages, wheel)


def _built(folder: Path) -> Path:
    """Build in a copy, which leaves the checkout as it is."""
    source = folder / "source"
    source.mkdir()
    for name in PACKAGES:
        unwanted = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, source / name, ignore=unwanted)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source / name)
    build = ["wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder)]
    subprocess.run([sys.executable, "-m", "pip", *build, str(source)], check=True)
    [wheel] = folder.glob("*.whl")
    return wheel


def _keep_compiled(packages: Path) -> None:
    """Take over what numba compiled for this checkout: compiling anew takes a minute and shows nothing here.

    It goes by the time at which a source was changed.
    """
    for cache in ROOT.glob("hardware_model/**/__pycache__"):
        place = packages / cache.relative_to(ROOT)
        place.mkdir(exist_ok=True)
        for compiled in (*cache.glob("*.nbi"), *cache.glob("*.nbc")):
            shutil.copy(compiled, place / compiled.name)
        for source in cache.parent.glob("*.py"):
            status = source.stat()
            os.utime(place.parent / source.name, ns=(status.st_atime_ns, status.st_mtime_ns))
