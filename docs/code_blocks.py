"""The code blocks of README.md and docs/: what each kind is for, and which commands wait for something.

| kind | what becomes of it |
|---|---|
| `console` | a line that begins with `$ ` is run; what follows it is what it must print, `...` being anything |
| `python` | run; the blocks of a page share their names |
| `asm FILE`, `toml FILE`, `text FILE` | written to FILE in the page's folder, for the commands after it |
| `text` | a drawing or an output; no command |

A command must end with status 0, or with what `# status: N` behind it says. One that cannot run everywhere says so in
its comment, by a reason of `REASONS`.
"""

from __future__ import annotations

import doctest
import os
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
FILES = ("asm", "toml", "text")
RUN = ("console", "python")
OF_A_CHECKOUT = (ROOT / "README.md", ROOT / "docs" / "exercises" / "index.md")
"""Pages whose commands are typed in a checkout; those of the others need the installed package only."""
DIRECTIVES = ("{toctree}", "{include}")
"""What Sphinx puts in place of a block."""


@dataclass(frozen=True, slots=True)
class Block:
    """A block of a page: its first line (of the fence, from 0), kind, file name and text."""

    line: int
    end: int
    kind: str
    file: str
    text: str


@dataclass(frozen=True, slots=True)
class Command:
    """A command of a `console` block: `reason` is why it cannot run everywhere, if it cannot."""

    text: str
    status: int
    reason: str
    output: str


def _asked(what: str) -> Callable[[], bool]:
    return lambda: what in os.environ.get("TRAPBENCH_DOCS", "").split(",")


def _kernel() -> bool:
    from workloads.linux import kernels

    return len(kernels.fetched()) > 1 and kernels.busybox() is not None


def _kvm() -> bool:
    return os.access("/dev/kvm", os.R_OK) and shutil.which("perf") is not None


REASONS: dict[str, Callable[[], bool]] = {
    "takes minutes": _asked("minutes"),
    "needs a network": _asked("network"),
    "needs a kernel": _kernel,
    "needs KVM": _kvm,
}
"""Why a command is not run in every test, and whether it can be here; TRAPBENCH_DOCS=minutes,network asks for two."""

_STATUS = re.compile(r"\s+# status: (\d+)$")
_REASON = re.compile(rf"\s#[^#]*?\(?({'|'.join(REASONS)})\)?$")
_FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def pages() -> list[Path]:
    """Every page in the order in which a newcomer reads."""
    first = [ROOT / "README.md", *(ROOT / "docs" / f"{n}.md" for n in ("first-hour", "decide"))]
    found = [*sorted((ROOT / "docs").rglob("*.md")), ROOT / "workloads" / "README.md"]
    made = ROOT / "docs" / "reference"
    return first + [page for page in found if page not in first and made not in page.parents]


def blocks(text: str) -> list[Block]:
    """The blocks of a page, fenced or indented (whose kind is empty)."""
    from markdown_it import (
        MarkdownIt,
    )  # which the interpreter that only makes an environment need not have

    found = []
    for token in MarkdownIt().parse(text):
        if token.type in ("fence", "code_block") and token.map:
            kind, _, file = token.info.partition(" ")
            found.append(Block(*token.map, kind, file.strip(), token.content))
    return found


def commands(text: str) -> Iterator[Command]:
    """The commands of a `console` block, one after the other."""
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        first, *printed = part.replace("\\\n", " ").splitlines()
        status, reason = _STATUS.search(first), _REASON.search(first)
        command = _STATUS.sub("", first)
        yield Command(
            command,
            int(status[1]) if status else 0,
            reason[1] if reason else "",
            "\n".join(printed).strip(),
        )


def complaint(command: Command, status: int, printed: str) -> str:
    """What a command did that the page does not say; empty if it did as told."""
    printed = printed.strip()
    if status != command.status:
        return f"`{command.text}` ended with status {status}:\n{printed}"
    wanted = command.output
    if wanted and not doctest.OutputChecker().check_output(wanted, printed, _FLAGS):
        return f"`{command.text}` printed:\n{printed}\n\nbut the page says:\n{wanted}"
    return ""
