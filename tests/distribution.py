"""Which tests the workers of `pytest -n` take together, and which they begin with.

The tests of a file share its fixtures, those of some folders the cells they look at, the examples of a page its folder: one
worker runs them all, so that nothing is made twice. What takes long comes first: then no worker waits for another at the end.
Each worker has its share of the processors, and so have the runs that its tests make: they start no more processes than that.
"""

from __future__ import annotations

import os
from typing import Any

import pytest

#: Folders whose files look at the same cells, boots or wheel.
TOGETHER = ("tests/suite/", "tests/linux/", "tests/packaging/", "tests/techniques/io_models/")
#: By processor time, longest first; a test sees to it that they exist.
LONG = (
    "tests/suite/",
    "tests/linux/",
    "tests/techniques/io_models/",
    "tests/packaging/",
)


def group(nodeid: str) -> str:
    """What is run by one worker: a folder of `TOGETHER`, else a file."""
    file = nodeid.partition("::")[0]
    return next((folder for folder in TOGETHER if file.startswith(folder)), file)


def _rank(item: pytest.Item) -> int:
    return next((n for n, long in enumerate(LONG) if item.nodeid.startswith(long)), len(LONG))


def _soaks(config: pytest.Config) -> bool:
    """The cases of a soak are long and come in rounds: see `tests.proofs.soak_time`."""
    return str(config.option.markexpr) == "soak"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put long groups first."""
    if not _soaks(config):
        items.sort(key=_rank)


def share(processors: set[int], worker: int, workers: int) -> set[int]:
    """A worker's processors: every one of `workers` has others where there are enough, else one."""
    ordered = sorted(processors)
    return set(ordered[worker::workers]) or {ordered[worker % len(ordered)]}


def pytest_configure(config: pytest.Config) -> None:
    """Keep a worker process to its share."""
    given = getattr(config, "workerinput", None)
    if given is not None:
        number = int(given["workerid"].removeprefix("gw"))
        os.sched_setaffinity(0, share(os.sched_getaffinity(0), number, given["workercount"]))


class Distribution:
    """The hook of pytest-xdist, where it is installed."""

    @staticmethod
    def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> object:
        """Whole groups in the order of collection, unless another `--dist` is asked for."""
        if _soaks(config) or config.option.dist != "load":
            return None
        from xdist.scheduler import LoadScopeScheduling

        class InGroups(LoadScopeScheduling):
            def _split_scope(self, nodeid: str) -> str:
                return group(nodeid)

        config.option.loadscopereorder = False
        return InGroups(config, log)
