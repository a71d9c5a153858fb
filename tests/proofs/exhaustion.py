"""Guests that flood their VMM with roots, page tables or code, once and many times over: what this process grows by.

As a program, `python -m tests.proofs.exhaustion` prints one line of JSON: by technique, MiB that many floods took beyond the
first.
"""

from __future__ import annotations

import gc
import json
import resource
from typing import Any

from hardware_model.machine import End
from tests.proofs import equivalence, hostile_guests
from tests.small_guest import SmallGuest

FLOODS = {
    "roots": hostile_guests._COPY_ROOT,
    "code": hostile_guests._PAGES_OF_CODE,
    "tables": hostile_guests._SCRATCH_TABLES + hostile_guests._WILD,
}
VARIANTS: dict[str, tuple[str, dict[str, Any], tuple[str, ...]]] = {
    "hvm-shadow, trace": ("hvm-shadow", {"shadow.policy": "trace"}, ("roots", "tables")),
    "hvm-shadow, virtual-tlb": ("hvm-shadow", {"shadow.policy": "virtual-tlb"}, ("roots",)),
    "hvm-shadow, unsync": ("hvm-shadow", {"shadow.policy": "unsync"}, ("roots", "tables")),
    "hvm-ept on demand": ("hvm-ept", {"ept.populate": "demand"}, ("roots",)),
    "bt, a cache of 64 KiB": ("bt", {"bt.cache-kib": 64}, ("code",)),
}
"""Technique, knobs, and what floods it. What a translation takes of this process ends with the cache's size."""
TIMES, BUDGET = 3, 20_000_000


def flood(variant: str, text: str, times: int) -> End:
    """Run the flood `times` times in one guest; how it ended."""
    again = f"mov r15d, {times}\nflood:\n{text}\ndec r15d; jnz flood"
    technique, knobs, _ = VARIANTS[variant]
    run = equivalence.boot_guest(SmallGuest(again), technique, knobs)
    run.run(BUDGET)
    assert run.end is not None
    return run.end


def peak_mib() -> int:
    """The most memory that this process has had."""
    gc.collect()  # machines refer to themselves
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10


def main() -> None:
    """Flood every VMM."""
    grown = {}
    for variant in VARIANTS:
        floods = [FLOODS[name] for name in VARIANTS[variant][2]]
        for text in floods:
            assert flood(variant, text, 1) is End.EXITED
        before = peak_mib()
        for text in floods:
            assert flood(variant, text, TIMES) is End.EXITED
        grown[variant] = peak_mib() - before
    print(json.dumps(grown))


if __name__ == "__main__":
    main()
