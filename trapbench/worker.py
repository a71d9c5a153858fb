"""The worker process: receives one task at a time, sends one result back.

Started as `python -m trapbench.worker MODULE:FUNCTION DESCRIPTOR PARENT`, so that, unlike with
`multiprocessing`, a caller's script needs no `if __name__ == "__main__"`.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import os
import signal
import sys
from collections.abc import Callable
from functools import cache
from multiprocessing.connection import Connection
from typing import Any

_PR_SET_PDEATHSIG = 1


def main(entry: str, descriptor: int, parent: int) -> None:
    """Serve tasks until the other end closes."""
    _die_with(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what an interrupt means
    name, _, function_name = entry.partition(":")
    module = importlib.import_module(name)
    function: Callable[[Any], Any] = getattr(module, function_name)
    getattr(
        module, "prepare", lambda: None
    )()  # before the first task: the parent may still make it out
    connection: Connection[Any, Any] = Connection(descriptor)
    while True:
        try:
            task = connection.recv()
        except EOFError:
            return
        connection.send(function(task))
        task = None
        _collect()


def _collect() -> None:
    """Give back what the task left in cycles: machines and their memory, few objects that hold much.

    What the first task loaded is set aside, so that this takes no longer than a task's own objects need.
    """
    gc.collect()
    _set_aside()


@cache
def _set_aside() -> None:
    """Once only, and not asked of `gc.get_freeze_count`, which counts what is frozen one by one: 20 ms a task."""
    gc.freeze()


def _die_with(parent: int) -> None:
    """Have the kernel end this process when its parent ends, however long the guest still runs."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit("the parent process is gone")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
