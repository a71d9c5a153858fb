"""A small guest natively and translated, and what it could tell apart."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from hardware_model.machine import Machine
from techniques.binary_translation import BinaryTranslation
from techniques.guest import GuestImage
from techniques.knobs import resolve
from tests.conftest import RAM, Run, SmallGuest, boot_native

BUDGET = 300_000


def boot_translated(guest: SmallGuest, **knobs: Any) -> tuple[Run, BinaryTranslation]:
    """The guest under binary translation, loaded but not started."""
    kind = BinaryTranslation
    machine = Machine(kind.vmm_bytes + RAM)
    image = GuestImage(guest.image, [], {}, RAM)
    vmm = kind(machine, image, resolve(kind.name, kind.knobs, knobs))
    return Run(guest, machine, kind.vmm_bytes, vmm.platform, vmm.run), vmm


def seen(run: Run) -> dict[str, Any]:
    """What a guest can tell after its run: how it ended, time, events, registers, memory."""
    registers = run.machine.registers
    return {
        "end": (run.end, run.platform.exit_port.status),
        "time": run.machine.now,
        "events": run.records,
        "registers": [int(value) for value in registers.gpr] + [registers.rip],
        "flags": registers.rflags & ~0x3200,
        "memory": run.machine.memory.read(run.base, RAM),
    }


def differences(text: str, knobs: dict[str, Any] | None = None, **rest: Any) -> list[str]:
    """What a guest sees differently when it is translated; empty if nothing."""
    native = seen(boot_native(SmallGuest(text, **rest)).run(BUDGET))
    translated = seen(boot_translated(SmallGuest(text, **rest), **(knobs or {}))[0].run(BUDGET))
    return [
        name
        if name == "memory"
        else f"{name}: {native[name]} natively, {translated[name]} translated"
        for name in native
        if native[name] != translated[name]
    ]


@pytest.fixture
def translated() -> Callable[..., tuple[Run, BinaryTranslation]]:
    """Runs a small guest translated, to its end, which must be guest status 0 and as natively."""

    def run(
        text: str, knobs: dict[str, Any] | None = None, **rest: Any
    ) -> tuple[Run, BinaryTranslation]:
        assert differences(text, knobs, **rest) == []
        result, vmm = boot_translated(SmallGuest(text, **rest), **(knobs or {}))
        result.run(BUDGET)
        assert result.platform.exit_port.status == 0
        return result, vmm

    return run


__all__ = ["boot_translated", "differences", "seen"]
