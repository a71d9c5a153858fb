"""A newcomer's hour by the documentation's own words, with the installed wheel, in an empty folder."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
_STEP = re.compile(r"^ +([\d.]+) +([\d.]+)  (.+)$", re.MULTILINE)
COMMANDS = ("list", "run", "show", "plot", "report", "claims", "diff", "advise")


def test_the_first_hour_does_what_its_page_says(installed: Any, tmp_path: Path) -> None:
    walk = str(ROOT / "docs" / "walk.py")
    done = installed.run(tmp_path, walk, "--in-place", "docs/first-hour.md")
    assert done.returncode == 0, done.stderr
    steps = [step for _, _, step in _STEP.findall(done.stdout)]
    assert steps[-1] == "all of it"
    typed = [step for step in steps if step.startswith("trapbench ")]
    assert {step.split()[1] for step in typed} >= set(COMMANDS)
    assert len([step for step in steps if step.startswith("python, line")]) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_page_that_says_something_else_is_told(installed: Any, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("```console\n$ trapbench list presets | head -1\nno such line\n```\n", "utf-8")
    relative = os.path.relpath(page, ROOT)
    done = installed.run(tmp_path, str(ROOT / "docs" / "walk.py"), "--in-place", relative)
    assert done.returncode == 1
    assert "but the page says:\nno such line" in done.stderr


def test_without_a_package_manager_fetch_says_what_to_do_instead(
    installed: Any, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    done = installed.run(tmp_path, "-m", "trapbench", "fetch", "linux")
    assert done.returncode == 2
    assert done.stderr.startswith(
        "trapbench: no apt-get here, so Debian's kernel cannot be fetched"
    )
    assert "trapbench run --kernel" in done.stderr and done.stderr.count("\n") == 1
