"""One program of `ported_programs` under native and as the ported kernel's, and what its guest could tell apart."""

from __future__ import annotations

from typing import Any

from hardware_model.boot import KERNEL_BASE
from hardware_model.machine import Machine
from techniques import registry
from techniques.guest_errors import GUEST_ERRORS
from techniques.knobs import resolve
from techniques.technique import Technique
from tests.proofs.ported_programs import PAGES, RAM_BYTES, Program, image

BUDGET = 3_000_000
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "pv": ("pv", {}),
    "pv, single": ("pv", {"pv.batching": "single"}),
    "pv, direct": ("pv", {"pv.traps": "direct"}),
}
OTHERS: dict[str, tuple[str, dict[str, Any]]] = {
    "hvm-ept": ("hvm-ept", {}),
    "hvm-shadow": ("hvm-shadow", {}),
    "hvm-shadow, unsync": ("hvm-shadow", {"shadow.policy": "unsync"}),
    "bt": ("bt", {}),
}
_RESULTS = 64


def boot(name: str, knobs: dict[str, Any], program: Program) -> Technique:
    """The program's guest under a technique, not started; the ported kernel where the technique needs it."""
    kind = registry.find(name)
    settings = resolve(name, kind.knobs, knobs)
    machine = Machine(kind.vmm_bytes + RAM_BYTES)
    return kind(machine, image(program, ported=kind.ported, ring1=kind.ring1(settings)), settings)


def seen(guest: Technique) -> dict[str, Any]:
    """What the program came to: how it ended, what kernel and programs noted, and its eight frames of memory."""
    try:
        end: str = guest.run(BUDGET).value
    except GUEST_ERRORS as error:
        end = str(error)
    frames = _words(guest, "fuzz_frames", PAGES)
    return {
        "end": (end, guest.platform.exit_port.status),
        "console": bytes(guest.platform.uart.output),
        "programs": _words(guest, "result", _RESULTS),
        "kernel": _words(guest, "fuzz_log", _words(guest, "fuzz_logged", 1)[0]),
        "frames": [guest.memory.read(frame, 0x1000) for frame in frames],
    }


def _words(guest: Technique, symbol: str, count: int) -> list[int]:
    at = guest.image.symbols[symbol] - KERNEL_BASE
    content = guest.memory.read(at, 8 * count)
    return [int.from_bytes(content[8 * n : 8 * n + 8], "little") for n in range(count)]


def differences(
    program: Program, variants: dict[str, tuple[str, dict[str, Any]]] = VARIANTS
) -> dict[str, dict[str, Any]]:
    """What a guest sees differently from native, by technique; empty if nothing."""
    native = seen(boot("native", {}, program))
    found = {}
    for variant, (name, knobs) in variants.items():
        other = seen(boot(name, knobs, program))
        differing = {part: _first(native[part], other[part]) for part in native}
        differing = {part: what for part, what in differing.items() if what is not None}
        if differing:
            found[variant] = differing
    return found


def _first(one: Any, other: Any) -> Any:
    """The first place where two parts differ, or None."""
    if one == other:
        return None
    if isinstance(one, list):
        pairs = enumerate(zip(one, other, strict=False))
        return next(
            ((at, *pair) for at, pair in pairs if pair[0] != pair[1]), (len(one), len(other))
        )
    return one, other
