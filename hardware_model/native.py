"""`@native` and `@callback`: functions compiled with numba, cached on disk until any source that
they are compiled from changes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar, TypeVar, cast

import numba
from numba.core import caching, ccallback

from hardware_model import counters

_numba: Any = numba  # its decorators' types do not know all options
_ccallback: Any = ccallback
_caching: Any = caching
Function = TypeVar("Function", bound=Callable[..., Any])


@lru_cache(maxsize=1)
def source_stamp() -> str:
    """A digest of all sources of native code and of the counter table, whose positions are compiled in."""
    digest = hashlib.sha256()
    here = Path(__file__).parent
    for folder in ("executor", "mmu", "vmx"):
        for source in sorted((here / folder).glob("*.py")):
            digest.update(source.read_bytes())
    digest.update("\n".join(counter.name for counter in counters.COUNTERS).encode())
    return digest.hexdigest()


# numba itself watches only the file that a function stands in; a change in a callee or a constant of another
# file would leave stale machine code in the cache.
def _stamped(locator: type) -> type:
    return type(locator.__name__, (locator,), {"get_source_stamp": lambda self: source_stamp()})


class _FunctionImplementation(_caching.CompileResultCacheImpl):  # type: ignore[misc]
    _locator_classes: ClassVar[list[type]] = [
        _stamped(locator) for locator in _caching.CacheImpl._locator_classes
    ]


class _FunctionCache(_caching.FunctionCache):  # type: ignore[misc]
    _impl_class = _FunctionImplementation


def native(function: Function) -> Function:
    """Compile `function` in nopython mode, for callers in Python and in native code.

    Without Python's division and range errors, and without numba's reference counts of array arguments, which would
    double the time of a TLB miss.
    """
    dispatcher = _numba.njit(error_model="numpy", _nrt=False)(function)
    dispatcher._cache = _FunctionCache(function)
    return cast(Function, dispatcher)


def inner(function: Function) -> Function:
    """Compile `function` as part of the native functions that call it; not callable from Python,
    not cached by itself.
    """
    options = {
        "error_model": "numpy",
        "_nrt": False,
        "no_cpython_wrapper": True,
        "no_cfunc_wrapper": True,
    }
    return cast(Function, _numba.njit(**options)(function))


class Callback:
    """A C callback with numba signature `signature`, compiled (or loaded from the cache) when its
    address is first asked.
    """

    def __init__(self, signature: Any, function: Callable[..., Any]) -> None:
        self._signature = signature
        self._function = function
        self._compiled: Any = None

    @property
    def address(self) -> int:
        """The callback's address, for the engine to call."""
        if self._compiled is None:
            with _stamped_cfunc_cache():
                self._compiled = _numba.cfunc(
                    self._signature, cache=True, error_model="numpy", _nrt=False
                )(self._function)
        return int(self._compiled.address)


class _stamped_cfunc_cache:  # noqa: N801 - reads as a verb phrase where it is used
    """Within this block numba's C callbacks use the stamped cache."""

    def __enter__(self) -> None:
        self._saved = _ccallback.FunctionCache
        _ccallback.FunctionCache = _FunctionCache

    def __exit__(self, *error: object) -> None:
        _ccallback.FunctionCache = self._saved


def callback(signature: Any) -> Callable[[Callable[..., Any]], Callback]:
    """Make a `Callback` of the decorated function."""
    return lambda function: Callback(signature, function)
