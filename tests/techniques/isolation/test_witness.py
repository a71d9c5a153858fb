"""The witness sees every byte of the victim that changes in the attacker's turn, and none that changes in the victim's."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

import workloads
from hardware_model.partition import Partition
from techniques import run_guest
from techniques.isolation import scene
from techniques.isolation.witness import Witness


def test_bytes_are_counted_that_change_in_the_attackers_turns_only() -> None:
    words = np.zeros(64, np.uint64)
    host = SimpleNamespace(machine=SimpleNamespace(engine=SimpleNamespace(ram64=words)))
    attacker, victim = (
        SimpleNamespace(partition=Partition(base, base + 256, base >> 8)) for base in (0, 256)
    )
    witness = Witness(host, attacker, victim)  # type: ignore[arg-type]
    with host.around(victim):
        words[40] = 0x0102
    with host.around(attacker):
        words[3] = 7  # its own
    assert witness.changed == 0
    with host.around(attacker):
        words[40] = 0x0203
        words[63] = 1 << 63
    assert witness.changed == 3


def test_a_protected_attack_that_touches_the_victim_elsewhere_fails_its_cell(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One byte of the victim's VMM, far from what the attack aims at and its outcome tells."""
    act, original = scene.CopyEngine.write_port, scene.Scene.__init__
    touched: list[int] = []

    def set_up(self: scene.Scene, *arguments: object, **named: object) -> None:
        original(self, *arguments, **named)  # type: ignore[arg-type]
        memory, at = self._memory, self._victim.base + 0xF000

        def write(port: int, size: int, value: int) -> None:
            act(self.engine, port, size, value)
            if not touched:
                memory.write(at, b"!")
                touched.append(at)

        self.engine.write_port = write  # type: ignore[method-assign]

    monkeypatch.setattr(scene.Scene, "__init__", set_up)
    found = run_guest("hvm-ept", workloads.find("isolation/dma@write"), "small")
    assert touched
    assert (found.status, found.reason) == (
        "failed",
        "bytes of the victim's memory that changed while the attacker ran: 1",
    )
