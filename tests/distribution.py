"""Which tests the workers of `pytest -n` take together, and which they begin with.

The tests of a file share its fixtures, those of some folders the cells they look at, the examples of a page its folder: one
worker runs them all, so that nothing is made twice. What takes long comes first: then no worker waits for another at the end.
"""

from __future__ import annotations

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
