"""One program under every technique, and what its guest could tell apart."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.conftest import RAM, Run, boot_native
from tests.proofs.programs import Statement, guest
from tests.small_guest import SmallGuest

BUDGET = 200_000
_TABLES, _TABLE_BYTES = 0x130000, 0x10000
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "hvm-ept": ("hvm-ept", {}),
    "hvm-ept, 2 MiB pages": ("hvm-ept", {"ept.page": "2m"}),
    "hvm-ept on demand, no VPID": ("hvm-ept", {"ept.populate": "demand", "vpid": False}),
    "hvm-shadow, trace": ("hvm-shadow", {"shadow.policy": "trace"}),
    "hvm-shadow, virtual-tlb": ("hvm-shadow", {"shadow.policy": "virtual-tlb"}),
    "hvm-shadow, unsync, no TPR shadow": (
        "hvm-shadow",
        {"shadow.policy": "unsync", "tpr-shadow": False},
    ),
    "bt": ("bt", {}),
    "bt, unsync, small cache": ("bt", {"shadow.policy": "unsync", "bt.cache-kib": 16}),
}
Program = tuple[tuple[Statement, ...], tuple[Statement, ...], int]


def boot(variant: str, program: Program) -> Run:
    """The program's guest under a technique, loaded but not started."""
    return boot_guest(guest(*program), *VARIANTS[variant])


def boot_guest(small: SmallGuest, name: str, knobs: dict[str, Any]) -> Run:
    """Any small guest under the technique `name`, loaded but not started."""
    from hardware_model.machine import Machine
    from techniques import registry
    from techniques.guest import GuestImage
    from techniques.knobs import resolve

    kind = registry.find(name)
    machine = Machine(kind.vmm_bytes + RAM)
    vmm = kind(machine, GuestImage(small.image, [], {}, RAM), resolve(name, kind.knobs, knobs))
    return Run(small, machine, kind.vmm_bytes, vmm.platform, vmm.run)


def seen(run: Run) -> dict[str, Any]:
    """What a guest can tell after its run: how it ended, time, events, registers, memory."""
    registers = run.machine.registers
    return {
        "end": (run.end, run.platform.exit_port.status),
        "time": run.machine.now,
        "events": run.records,
        "registers": [int(value) for value in registers.gpr] + [registers.rip],
        "flags": registers.rflags & ~0x3200,
        "memory": without_accessed_flags(run.machine.memory.read(run.base, RAM)),
    }


def without_accessed_flags(memory: bytes) -> bytes:
    """Guest memory with the accessed flags of its page tables cleared.

    They are the one thing that may differ: a processor may set them ahead of use (SDM vol. 3A 4.8). The engine sets them
    for the load of a read-modify-write whose store then faults, and a translator for code that it reads.
    """
    words = np.frombuffer(memory, np.uint64).copy()
    words[_TABLES >> 3 : (_TABLES + _TABLE_BYTES) >> 3] &= ~np.uint64(0x20)
    return words.tobytes()


def frames_that_differ(one: bytes, other: bytes) -> list[str]:
    """The first words of memory that are not the same."""
    found = []
    for at in range(0, RAM, 8):
        if one[at : at + 8] != other[at : at + 8]:
            a, b = (int.from_bytes(m[at : at + 8], "little") for m in (one, other))
            found.append(f"{at:#x}: {a:#x} {b:#x}")
            if len(found) == 5:
                break
    return found


def differences(program: Program, variants: list[str] | None = None) -> dict[str, dict[str, Any]]:
    """What a guest sees differently from native, by technique; empty if nothing."""
    native = seen(boot_native(guest(*program)).run(BUDGET))
    found: dict[str, dict[str, Any]] = {}
    for variant in variants or VARIANTS:
        try:
            other = seen(boot(variant, program).run(BUDGET))
        except Exception as error:
            found[variant] = {"error": f"{type(error).__name__}: {error}"}
            continue
        differing: dict[str, Any] = {
            name: (native[name], other[name]) for name in native if native[name] != other[name]
        }
        if "memory" in differing:
            differing["memory"] = frames_that_differ(*differing["memory"])
        if "events" in differing:
            differing["events"] = [
                (a, b) for a, b in zip(*differing["events"], strict=False) if a != b
            ][:2]
        if differing:
            found[variant] = differing
    return found
