"""The technique: a deprivileging VMM that leaves the guest's code as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from techniques.deprivileged import DeprivilegingVmm
from techniques.technique import Skipped

if TYPE_CHECKING:
    from workloads import LinuxWorkload, Workload


class TrapAndEmulate(DeprivilegingVmm):
    """The guest's kernel, untranslated, at CPL 1."""

    name = "trap-and-emulate"
    doc = (
        "the unmodified guest kernel runs at CPL 1 on shadow page tables; "
        "what traps is emulated, sensitive instructions that do not trap misbehave"
    )

    def open_ports(self, first: int, count: int) -> None:
        """The VMM's TSS lets the guest's kernel reach these ports; its programs find them closed."""
        self.shadow.window.open_ports(range(first, first + count))

    @classmethod
    def check(cls, workload: Workload | LinuxWorkload, size: str) -> None:
        """Linux cannot run: its PUSHF and POPF would not trap, and it would never see its interrupt flag."""
        if workload.on_linux:
            raise Skipped(
                "Linux needs every sensitive instruction virtualized; sensitive/probe shows what is not"
            )
