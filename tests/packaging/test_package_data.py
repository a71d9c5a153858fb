"""Everything that the packages read lies in the wheel."""

from __future__ import annotations

import tomllib
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("hardware_model", "techniques", "workloads", "results", "trapbench")
_MADE = {".py", ".pyc", ".nbi", ".nbc"}
_FOR_READERS = {".md"}


@pytest.mark.parametrize("package", PACKAGES)
def test_every_file_beside_the_code_is_package_data(package: str) -> None:
    patterns = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    declared = patterns["package-data"]["*"]
    files = [p for p in (ROOT / package).rglob("*") if p.is_file()]
    missing = [
        str(p.relative_to(ROOT))
        for p in files
        if p.suffix not in _MADE | _FOR_READERS and not any(fnmatch(p.name, d) for d in declared)
    ]
    assert not missing
