"""Broken variants of the memory-management unit: its sources with one passage changed, run as plain Python."""

from __future__ import annotations

import importlib.util
import itertools
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import hardware_model.mmu

_PACKAGE = "hardware_model.mmu"
_HERE = Path(hardware_model.mmu.__file__).parent
_COMPILED = "from hardware_model.native import "
_FUTURE = "from __future__ import annotations\n"
_PLAIN = "def native(function):\n    return function\n\n\ninner = native\n"
_numbers = itertools.count()


def mutant(changes: Mapping[str, tuple[str, str]]) -> Mapping[str, ModuleType]:
    """The unit's modules by name; `changes` replaces in a module's source one text by another, which must be there."""
    package = f"mutant_{next(_numbers)}"
    modules: dict[str, ModuleType] = {package: ModuleType(package)}
    modules[package].__path__ = []  # makes it a package
    sys.modules[package] = modules[package]
    finder = _Finder(package, changes)
    sys.meta_path.insert(0, finder)
    try:
        names = [path.stem for path in _HERE.glob("*.py") if path.stem != "__init__"]
        return {name: importlib.import_module(f"{package}.{name}") for name in names}
    finally:
        sys.meta_path.remove(finder)


class _Finder:
    """Imports `package`.name from the unit's module of that name, changed and not compiled."""

    def __init__(self, package: str, changes: Mapping[str, tuple[str, str]]) -> None:
        self._package, self._changes = package, changes

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        """The import system asks."""
        if not name.startswith(self._package + "."):
            return None
        return importlib.util.spec_from_loader(name, _Loader(self._source(name)))

    def _source(self, name: str) -> str:
        module = name.rpartition(".")[2]
        source = (_HERE / f"{module}.py").read_text()
        if module in self._changes:
            old, new = self._changes[module]
            assert source.count(old) == 1, (module, old, source.count(old))
            source = source.replace(old, new)
        source = source.replace(_PACKAGE, self._package)
        lines = source.splitlines()
        return "\n".join(
            line for line in lines if not line.startswith((_COMPILED, _FUTURE.strip()))
        )


class _Loader:
    def __init__(self, source: str) -> None:
        self._source = source

    def create_module(self, spec: Any) -> None:
        """The default module will do."""

    def exec_module(self, module: ModuleType) -> None:
        """Run the source, with decorators that leave functions as they are."""
        code = compile(_FUTURE + _PLAIN + self._source, module.__name__, "exec")
        exec(code, module.__dict__)
