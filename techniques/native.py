"""No VMM: the guest owns the machine. The baseline of every ratio."""

from __future__ import annotations

from hardware_model.executor.words import Mode
from hardware_model.machine import End
from hardware_model.platform import Platform
from techniques.technique import GuestRegisters, Technique


class Native(Technique):
    """The guest on the bare machine."""

    name = "native"
    doc = "the guest kernel runs at CPL 0 on the bare machine; the baseline of every ratio"

    @property
    def platform(self) -> Platform:
        """The physical devices."""
        return self.machine.platform

    def start(self) -> None:
        """Stand at the image's entry."""
        self.machine.load_state(self.boot())

    def resume(self, budget: int | None = None, pause: int | None = None) -> End:
        """Run on the bare machine."""
        return self.machine.run(Mode.BARE, budget, pause)

    def guest_registers(self) -> GuestRegisters:
        """The processor's registers."""
        r = self.machine.registers
        return GuestRegisters(
            gpr=tuple(int(v) for v in r.gpr),
            rip=r.rip,
            rflags=r.rflags,
            cr=(r.cr(0), r.cr(2), r.cr(3), r.cr(4)),
            efer=r.efer,
            cs=r.segment("cs").selector,
            ss=r.segment("ss").selector,
        )


TECHNIQUE = Native
