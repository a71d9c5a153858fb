"""Hostile guests in a process of their own, whose end, memory and time are looked at from outside."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
SECONDS = 600


def watch(module: str, first: int, count: int, most_growth_mib: int, *more: str) -> dict[str, Any]:
    """Have `module` run the guests of seeds `first` and following: all end, and the process grows by so much at most."""
    command = [sys.executable, "-m", module, str(first), str(count), *more]
    ended = subprocess.run(
        command, check=False, cwd=ROOT, capture_output=True, text=True, timeout=SECONDS
    )
    assert ended.returncode == 0, ended.stderr[-3000:]
    came_to: dict[str, Any] = json.loads(ended.stdout)
    assert sum(came_to["ends"].values()) == count
    assert came_to["grown_mib"] < most_growth_mib
    return came_to
