"""The wheel gives a working `trapbench` outside of the repository."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

_SUITE = """
def test_cheap(trapbench):
    trapbench.run("hvm-ept", "exit/cpuid").assert_exactly(exits=2000)

def test_dear(trapbench):
    trapbench.run("hvm-ept", "exit/cpuid").assert_at_most(exits=5)
"""


def test_the_command_works_in_an_empty_folder(installed: Any, tmp_path: Path) -> None:
    trapbench = ("-m", "trapbench")
    chosen = ("--workload", "nano/in", "--workload", "isolation/dma@write", "--out", "first")
    done = installed.run(tmp_path, *trapbench, "run", *chosen, "--jobs", "1")
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("stored in first\n")
    shown = installed.run(tmp_path, *trapbench, "show", "first")
    assert "nano/in" in shown.stdout
    made = installed.run(tmp_path, *trapbench, "report", "first")
    assert made.returncode == 0, made.stderr
    report = (tmp_path / "first" / "report.html").read_text("utf-8")
    assert "TLB replacement is first in, first out" in report  # one of the limits
    assert sorted(path.name for path in tmp_path.iterdir()) == ["first"]


def test_what_runs_is_the_wheel_and_not_the_checkout(installed: Any, tmp_path: Path) -> None:
    program = "import trapbench, hardware_model; print(trapbench.__file__, hardware_model.__file__)"
    done = installed.run(tmp_path, "-c", program)
    assert all(place.startswith(str(installed.packages)) for place in done.stdout.split())
    script = installed.python.parent / "trapbench"
    assert script.is_file()
    version = installed.run(tmp_path, str(script), "--version")
    assert version.stdout.startswith("trapbench, version ")


def test_the_list_of_presets_is_whole(installed: Any, tmp_path: Path) -> None:
    done = installed.run(tmp_path, "-m", "trapbench", "list", "presets", "--json")
    names = {row["preset"] for row in json.loads(done.stdout)}
    assert {"prescott", "nehalem", "skylake-sp"} <= names


def test_the_wheel_holds_the_packages_and_nothing_else(installed: Any) -> None:
    names = zipfile.ZipFile(installed.wheel).namelist()
    tops = {name.split("/")[0] for name in names if ".dist-info/" not in name}
    assert tops == {"hardware_model", "results", "techniques", "trapbench", "workloads"}


def test_suites_elsewhere_have_the_fixture_by_the_entry_point(
    installed: Any, tmp_path: Path
) -> None:
    (tmp_path / "test_budget.py").write_text(_SUITE)
    done = installed.run(tmp_path, "-m", "pytest", "-q", "-p", "no:cacheprovider")
    assert done.returncode == 1
    assert "1 failed, 1 passed" in done.stdout
    assert "exits: 2,000, at most 5 allowed" in done.stdout
