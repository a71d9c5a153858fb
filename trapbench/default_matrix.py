"""What the whole matrix holds besides every technique × every workload: cells of claims that speed does not decide.

Claim 7 needs each attack without its protection, claim 9 guests that share their machine: every VMM measured once,
beside the next one, and once the neighbour.
"""

from __future__ import annotations

from collections.abc import Iterator

import techniques
from results.cell import NATIVE, KnobValue
from techniques.isolation import ATTACKS, PROTECTION
from techniques.several.beside import BESIDE, Neighbour

MEASURED, NEIGHBOUR = "kernel/exec", "kernel/signal"
"""Guests with processes and time slices that end as natively under every VMM, trap-and-emulate too."""


def companions(technique: str) -> Iterator[tuple[str, dict[str, KnobValue]]]:
    """Workload and knobs of each further cell of a technique; native has none."""
    vmms = [name for name in techniques.names() if name != NATIVE]
    if technique not in vmms:
        return
    for attack in ATTACKS:
        yield attack, {PROTECTION.name: False}
    following = vmms[(vmms.index(technique) + 1) % len(vmms)]
    yield MEASURED, {BESIDE.name: str(Neighbour(following, NEIGHBOUR))}
