"""Runs of one small guest natively and under trap-and-emulate, between which it must not be able to tell."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import pytest

from hardware_model.machine import Machine
from techniques.guest import GuestImage
from techniques.knobs import resolve
from techniques.native import Native
from techniques.technique import GuestRegisters
from techniques.trap_and_emulate import TrapAndEmulate

RAM = 8 << 20


def registers_of(run: Any) -> GuestRegisters:
    """The guest's registers as it would read them."""
    vmm = getattr(run.resume, "__self__", SimpleNamespace(machine=run.machine))
    return vmm.guest_registers() if hasattr(vmm, "guest_registers") else Native.guest_registers(vmm)


def seen(run: Any) -> dict[str, Any]:
    """All that the guest could tell."""
    return {
        "end": run.end,
        "status": run.platform.exit_port.status,
        "events": run.records,
        "registers": registers_of(run),
        "time": run.machine.now,
        "console": bytes(run.platform.uart.output),
        "memory": run.machine.memory.read(run.base, RAM),
    }


@pytest.fixture
def deprivileged(boot_guest: Callable[..., Any]) -> Callable[..., Any]:
    """`deprivileged(text, knobs={}, **SmallGuest's arguments)`: a run under trap-and-emulate, not started."""

    def boot(text: str, knobs: Mapping[str, Any] | None = None, **rest: Any) -> Any:
        pattern = boot_guest(text, **rest)
        machine = Machine(TrapAndEmulate.vmm_bytes + RAM)
        settings = resolve(TrapAndEmulate.name, TrapAndEmulate.knobs, knobs or {})
        vmm = TrapAndEmulate(machine, GuestImage(pattern.guest.image, [], {}, RAM), settings)
        return type(pattern)(pattern.guest, machine, vmm.memory.base, vmm.platform, vmm.run)

    return boot


@pytest.fixture
def both(
    boot_guest: Callable[..., Any], deprivileged: Callable[..., Any]
) -> Callable[..., tuple[Any, Any]]:
    """`both(text, budget=..., **SmallGuest's arguments)`: (native run, deprivileged run), found equal."""

    def run(text: str, budget: int = 1_000_000, **rest: Any) -> tuple[Any, Any]:
        native = boot_guest(text, **rest).run(budget)
        other = deprivileged(text, **rest).run(budget)
        expected, found = seen(native), seen(other)
        for part in expected:
            assert found[part] == expected[part], part
        return native, other

    return run
