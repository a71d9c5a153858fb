"""Tasks for worker processes that end in every way a process can end."""

from __future__ import annotations

import os
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path

from results.finished import Finished
from results.planned import Planned

_PREPARED: list[str] = []


def prepare() -> None:
    """What a worker does before its first task."""
    _PREPARED.append("prepared once")


def perform(task: str) -> str:
    """Do what the task says (exit N, signal NAME, sleep SECONDS, pid, prepared, touch FILE, litter MEBIBYTES); echo anything else."""
    verb, _, argument = task.partition(" ")
    if verb == "exit":
        print("worker says: giving up", file=sys.stderr, flush=True)
        os._exit(int(argument))
    if verb == "signal":
        os.kill(os.getpid(), signal.Signals[argument])
    if verb == "sleep":
        time.sleep(float(argument))
    if verb == "litter":
        held: list[object] = [bytearray(os.urandom(1) * (int(argument) << 20))]
        held.append(held)
    if verb == "touch":
        Path(argument).touch()
    if verb == "prepared":
        return ", ".join(_PREPARED)
    return str(os.getpid()) if verb == "pid" else task


def instant(planned: Planned) -> Finished:
    """A cell that takes no time and has about as many counters as a real one."""
    counters = {f"counter {number}": number for number in range(60)}
    return Finished(planned.cell, planned.key, "ok", digest="same", counters={"roi": counters})


def crash_at_sha_256(planned: Planned) -> Finished:
    """A worker that dies on one workload and runs the others instead of the machine."""
    if planned.cell.workload.endswith("/sha-256"):
        os.kill(os.getpid(), signal.SIGSEGV)
    return Finished(planned.cell, planned.key, "ok", digest="same")


def hang_at_sieve_crash_at_sha_256(planned: Planned) -> Finished:
    """A worker that never answers on one workload and dies on another."""
    if planned.cell.workload.endswith("/sieve"):
        time.sleep(600)
    return crash_at_sha_256(planned)


def slow(planned: Planned) -> Finished:
    """A cell that takes a tenth of a second."""
    time.sleep(0.1)
    return replace(Finished(planned.cell, planned.key, "ok", digest="same"), host_seconds=0.1)
