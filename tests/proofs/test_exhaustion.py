"""A guest that floods its VMM for as long as it likes takes no more of the host's memory than one flood does."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.proofs import exhaustion
from tests.proofs.figures import counted

ROOT = Path(__file__).parents[2]
MOST_GROWTH_MIB = 16  # of a process, by further floods
SECONDS = 600


def test_floods_of_roots_tables_and_code_take_bounded_memory() -> None:
    """Measured from outside, in a process of its own."""
    command = [sys.executable, "-m", exhaustion.__name__]
    ended = subprocess.run(
        command, check=False, cwd=ROOT, capture_output=True, text=True, timeout=SECONDS
    )
    assert ended.returncode == 0, ended.stderr[-3000:]
    grown = json.loads(ended.stdout)
    assert grown.keys() == exhaustion.VARIANTS.keys()
    assert max(grown.values()) < MOST_GROWTH_MIB, grown
    floods = sum(len(names) for *_, names in exhaustion.VARIANTS.values())
    counted("exhaustion: floods", floods * (1 + exhaustion.TIMES))
