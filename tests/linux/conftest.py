"""Debian's kernel for the tests that boot it: as fetched before, fetched now in CI, else the tests are skipped."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from functools import cache

import pytest

import techniques
import workloads
from techniques import Outcome
from trapbench import linux_packages
from workloads.linux import kernels

Boot = Callable[..., Outcome]


def _fetch() -> str:
    """Get the kernels through the package manager; why that was impossible, or nothing."""
    try:
        list(linux_packages.fetch())
    except linux_packages.FetchError:
        subprocess.run(["apt-get", "update"], capture_output=True, check=False)
        try:
            list(linux_packages.fetch())
        except (linux_packages.FetchError, OSError) as error:
            return str(error)
    return ""


@pytest.fixture(scope="session", autouse=True)
def _kernels() -> None:
    reason = "" if len(kernels.fetched()) > 1 and kernels.busybox() else kernels.NO_KERNEL
    if reason and os.environ.get("CI") == "true":
        reason = _fetch()
    if reason:
        pytest.skip(reason)


@cache
def _run(technique: str, workload: str, kernel: str, again: int, io: str, **knobs: str) -> Outcome:
    chosen = {w.name.partition(" on ")[0]: w for w in workloads.linux(kernel)}[workload]
    return techniques.run_guest(technique, chosen, "small", io, knobs)


@pytest.fixture(scope="session")
def boot() -> Boot:
    """`boot(technique, workload="linux/boot", kernel="", again=0, io="emulated")`: the outcome, remembered for the session."""

    def run(
        technique: str,
        workload: str = "linux/boot",
        *,
        kernel: str = "",
        again: int = 0,
        io: str = "emulated",
        **knobs: str,
    ) -> Outcome:
        outcome = _run(technique, workload, kernel, again, io, **knobs)
        assert outcome.status == "ok", f"{outcome.reason}\n{outcome.console.decode()[-3000:]}"
        return outcome

    return run
