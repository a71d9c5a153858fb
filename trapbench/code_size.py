"""How much source a technique is: its modules and those of `techniques` that they import."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from pathlib import Path

import techniques

_PACKAGE = Path(techniques.__file__).parent


def lines(name: str) -> int:
    """Source lines of a technique, without blank ones and comments, docstrings included."""
    module = inspect.getmodule(techniques.find(name))
    if module is None or module.__file__ is None:
        return 0
    seen: set[Path] = set()
    _collect(Path(module.__file__), seen)
    return sum(_count(path) for path in seen)


def _collect(path: Path, seen: set[Path]) -> None:
    if path in seen:
        return
    seen.add(path)
    for module in _imports(path):
        # The registry and the runner serve every technique, and would lead to all of them.
        if module not in ("techniques.registry", "techniques.runner") and (found := _file(module)):
            _collect(found, seen)


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            parts = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from parts
            if not all(map(_file, parts)):  # a package that only leads to its modules is not used
                yield node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def _file(module: str) -> Path | None:
    """The file of a module below `techniques`; the package's own file is not one."""
    first, _, rest = module.partition(".")
    if first != "techniques" or not rest:
        return None
    path = _PACKAGE / rest.replace(".", "/")
    candidates = (path.with_suffix(".py"), path / "__init__.py")
    return next((candidate for candidate in candidates if candidate.is_file()), None)


def _count(path: Path) -> int:
    texts = (line.strip() for line in path.read_text("utf-8").splitlines())
    return sum(bool(text) and not text.startswith("#") for text in texts)
