"""Which Unicorn builds the executor accepts, and the sentence for all others."""

from __future__ import annotations

import platform
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from hardware_model.executor import layout as L


class UnsupportedEngine(RuntimeError):
    """The installed Unicorn is not the build whose internals this project knows."""


@cache
def _installed() -> str:
    try:
        return version("unicorn")
    except PackageNotFoundError:
        return "not installed"


def check(
    installed: str | None = None, system: str | None = None, machine: str | None = None
) -> None:
    """UnsupportedEngine unless version, operating system and processor are those of `layout`.

    The arguments replace what is found, for tests.
    """
    found = (installed or _installed(), system or platform.system(), machine or platform.machine())
    supported = (L.SUPPORTED_VERSION, *L.SUPPORTED_PLATFORM)
    if found != supported:
        raise UnsupportedEngine(
            f"trapbench needs unicorn {supported[0]} on {supported[1]} {supported[2]}, "
            f"found unicorn {found[0]} on {found[1]} {found[2]}"
        )


def compiled() -> bool:
    """Whether machine code of the event layer is kept beside its sources; if not, the first run compiles it."""
    return any(Path(__file__).parent.glob("__pycache__/*.nbi"))
