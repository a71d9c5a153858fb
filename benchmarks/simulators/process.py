"""A simulator's process: what it printed, how it ended, and the processor time that it took."""

from __future__ import annotations

import resource
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

TIMEOUT = 120


class Unavailable(Exception):
    """The simulator cannot be measured on this host; the sentence says why."""


@dataclass(frozen=True, slots=True)
class Run:
    """One guest, run to its end: processor `seconds` of the whole process, and what the simulator counted."""

    seconds: float
    instructions: int | None = None
    blocks: int | None = None


@dataclass(frozen=True, slots=True)
class Ended:
    """A process that ended: `seconds` of user and system time, all threads."""

    status: int
    output: str
    seconds: float


def run(command: Sequence[str]) -> Ended:
    """Run `command` to its end; subprocess.TimeoutExpired if it does not come."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
        timeout=TIMEOUT,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    taken = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Ended(done.returncode, done.stdout, taken)
