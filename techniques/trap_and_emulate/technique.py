"""The technique: a deprivileging VMM that leaves the guest's code as it is."""

from __future__ import annotations

from techniques.deprivileged import DeprivilegingVmm


class TrapAndEmulate(DeprivilegingVmm):
    """The guest's kernel, untranslated, at CPL 1."""

    name = "trap-and-emulate"
    doc = (
        "the unmodified guest kernel runs at CPL 1 on shadow page tables; "
        "what traps is emulated, sensitive instructions that do not trap misbehave"
    )
