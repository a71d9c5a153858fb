"""`@native` and `@inner` of `hardware_model.native`, for functions that allocate nothing.

Without numba's reference counts of array arguments, an access that misses the TLBs takes about half
the time; `@inner` functions are not callable from Python, which saves a third of the compilation.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from hardware_model import native as compiled

Function = TypeVar("Function", bound=Callable[..., Any])


def native(function: Function) -> Function:
    """Compile `function`, for callers in Python and in native code."""
    return _with_options(compiled.native(function), _nrt=False)


def inner(function: Function) -> Function:
    """Compile `function` for native callers alone."""
    return _with_options(
        compiled.inner(function), _nrt=False, no_cpython_wrapper=True, no_cfunc_wrapper=True
    )


def _with_options(dispatcher: Function, **options: bool) -> Function:
    cast(Any, dispatcher).targetoptions.update(options)
    return dispatcher
