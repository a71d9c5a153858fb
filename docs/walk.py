"""Walks README.md and the pages by their own words, in a clean environment, and tells how long each step took.

    python docs/walk.py                      every page, in reading order
    python docs/walk.py docs/first-hour.md   these pages
    python docs/walk.py --minutes            what takes minutes too (`make matrix`, `make test`, validation)

The checkout as it is committed is copied, a wheel built from it, and installed into a new environment; nothing is
cached. Each page is walked in an empty folder, README.md and the exercises in the copy. What a command prints must be
what the page says.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import code_blocks

_IN_PLACE = "--in-place"


@dataclass(frozen=True, slots=True)
class Step:
    """What was done, and its seconds: by the clock, and of a processor."""

    what: str
    seconds: float
    processor: float

    def __str__(self) -> str:
        return f"{self.seconds:8.1f} {self.processor:8.1f}  {self.what}"


def timed(what: str, do: Callable[[], Any]) -> Step:
    """Do it; how long it took."""
    clock, processor = time.perf_counter(), _processor()
    do()
    return Step(what, time.perf_counter() - clock, _processor() - processor)


def _processor() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def walk(page: Path) -> Iterator[Step]:
    """Every block of a page in the current folder, with the interpreter and the programs of this environment.

    Raises AssertionError at a command that does not do what the page says.
    """
    namespace: dict[str, object] = {}
    for block in code_blocks.blocks(page.read_text("utf-8")):
        if block.file and block.kind in code_blocks.FILES:
            Path(block.file).write_text(block.text, encoding="utf-8")
        elif block.kind == "python":
            padded = "\n" * (block.line + 1) + block.text
            code = compile(padded, str(page), "exec", dont_inherit=True)
            yield timed(f"python, line {block.line + 1}", lambda code=code: exec(code, namespace))
        elif block.kind == "console":
            for command in code_blocks.commands(block.text):
                if not command.reason or code_blocks.REASONS[command.reason]():
                    yield timed(command.text, lambda command=command: _run(command))


def _run(command: code_blocks.Command) -> None:
    done = subprocess.run(["bash", "-c", command.text], capture_output=True, text=True, check=False)
    said = code_blocks.complaint(command, done.returncode, done.stdout + done.stderr)
    assert not said, said


def walk_in_place(pages: list[Path], checkout: Path | None) -> int:
    """Walk pages from this environment; 1 if one of them does not do what it says."""
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    total = Step("all of it", 0, 0)
    for page in pages:
        print(f"\n{page.relative_to(code_blocks.ROOT)}", flush=True)
        with tempfile.TemporaryDirectory() as empty:
            os.chdir(checkout if checkout and page in code_blocks.OF_A_CHECKOUT else empty)
            try:
                for step in walk(page):
                    print(step, flush=True)
                    seconds, processor = (
                        total.seconds + step.seconds,
                        total.processor + step.processor,
                    )
                    total = Step(total.what, seconds, processor)
            except AssertionError as error:
                print(f"{page.name}: {error}", file=sys.stderr)
                return 1
            finally:
                os.chdir("/")
    print(f"\n{total}")
    return 0


def walk_cleanly(pages: list[Path], python: str, minutes: bool) -> int:
    """Build, install into a new environment, and walk the pages there."""
    with tempfile.TemporaryDirectory() as work:
        place = Path(work)
        checkout, env = place / "checkout", place / "env" / "bin"
        checkout.mkdir()
        (place / "home").mkdir()
        git = f"git -C '{code_blocks.ROOT}' archive HEAD | tar -x -C '{checkout}'"
        subprocess.run(["bash", "-c", git], check=True)
        wheel = ["pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", work, str(checkout)]
        print(" seconds processor", flush=True)
        _step("python3 -m venv env", [python, "-m", "venv", str(env.parent)])
        _step("pip wheel .", [str(env / "python"), "-m", *wheel])
        built = str(next(place.glob("*.whl")))
        install = [str(env / "pip"), "install", "--quiet"]
        _step("pip install trapbench-*.whl", [*install, built])
        _step("pip install 'trapbench[test]'", [*install, f"{built}[test]"])
        asked = "minutes,network" if minutes else "network"
        environment = {
            "PATH": f"{env}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
            "HOME": str(place / "home"),
            "LANG": "C.UTF-8",
            "TRAPBENCH_DOCS": asked,
            **{name: value for name, value in os.environ.items() if name.startswith("PIP_")},
        }
        names = [str(page.relative_to(code_blocks.ROOT)) for page in pages]
        command = [str(env / "python"), __file__, _IN_PLACE, "--checkout", str(checkout), *names]
        return subprocess.run(command, env=environment, cwd=work, check=False).returncode


def _step(what: str, command: list[str]) -> None:
    print(timed(what, lambda: subprocess.run(command, check=True)), flush=True)


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, add_help=True)
    parser.add_argument(
        "pages", nargs="*", help="relative to the checkout; all of them unless given"
    )
    parser.add_argument("--minutes", action="store_true", help="what takes minutes, too")
    parser.add_argument("--python", default="python3", help="makes the environment")
    parser.add_argument("--checkout", type=Path, help=argparse.SUPPRESS)
    parser.add_argument(_IN_PLACE, action="store_true", help="with this interpreter's environment")
    given = parser.parse_args()
    pages = [code_blocks.ROOT / name for name in given.pages] or code_blocks.pages()
    if given.in_place:
        return walk_in_place(pages, given.checkout)
    return walk_cleanly(pages, given.python, given.minutes)


if __name__ == "__main__":
    sys.exit(main())
