"""A guest kernel that makes random hypercalls, and what must hold for the hypervisor whatever it asks for.

As a program, `python -m tests.proofs.hypercall_fuzzing FIRST_SEED COUNT` runs as many guests and prints one line of JSON.
"""

from __future__ import annotations

import gc
import json
import resource
import struct
import sys
from collections import Counter
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from random import Random

import workloads
from hardware_model.boot import IMAGE_BASE, KERNEL_BASE
from hardware_model.machine import Machine
from techniques import registry
from techniques.guest import GuestImage
from techniques.guest_errors import GUEST_ERRORS
from techniques.knobs import resolve
from techniques.paravirtual import Paravirtual, abi
from techniques.paravirtual.hypercall_table import BY_NAME, HYPERCALLS
from tests.proofs.page_table_safety import unsafe
from workloads.image import Image

SOURCE = Path(__file__).parent / "hypercalls.asm"
MIB = 1 << 20
RAM_BYTES, OTHER_BYTES = 4 * MIB, 2 * MIB
CALLS, BUFFER_BYTES, BUDGET = 256, 0x2000, 1_000_000
FIRST_TABLE = 16  # guest frame of the builder's first page table
_MASK = (1 << 64) - 1
_ENDING = {BY_NAME[name].number for name in ("iret", "sched_op")}
_COUNTS = (0, 1, 2, 3, 8, 63, 64, 512, 1 << 16, 1 << 31, (1 << 31) + 4, (1 << 32) - 1, 1 << 63, (1 << 64) - 1)  # fmt: skip


class Words:
    """Numbers that mean something to a hypervisor: pointers, frames, entries, small ones; and any."""

    def __init__(self, chance: Random, symbols: dict[str, int], first_mfn: int) -> None:
        self._chance = chance
        self._mfn = first_mfn
        self._pointers = (
            symbols["fuzz_buffer"], symbols["fuzz_buffer"] + BUFFER_BYTES - 8, symbols["fuzz_calls"], symbols["workload_main"],
            symbols["xen_shared_info"], symbols["xen_trap_table"], KERNEL_BASE + (FIRST_TABLE << 12), KERNEL_BASE,
            KERNEL_BASE + RAM_BYTES - 16, 0xFFFF_8000_0000_0000, 0xFFFF_8200_0000_E000, 0xFFFF_87FF_FFFF_FFF8, 0xFFFF_8800_0000_0000,
            0x0000_8000_0000_0000, 0x1234_8200_0000_E000, 0, 8, 0x40_0000, 0x7F_FFFF_FFF8, 0xFFFF_FFFF_FFFF_FFF8,
        )  # fmt: skip

    def pointer(self) -> int:
        """An address, often within the buffer."""
        chance = self._chance
        if chance.random() < 0.5:
            return self._pointers[0] + 8 * chance.randrange(BUFFER_BYTES // 8)
        return chance.choice(self._pointers) + chance.choice((0, 0, 1, 8, 0x10, 0xFF8, 0x1000))

    def frame(self) -> int:
        """A machine frame: own, a page table, the hypervisor's, another VM's, none."""
        own, end = self._mfn, self._mfn + (RAM_BYTES >> 12)
        chance = self._chance
        return chance.choice(
            (
                own + chance.randrange(RAM_BYTES >> 12),
                own + FIRST_TABLE + chance.randrange(6),
                chance.randrange(own),
                end + chance.randrange(OTHER_BYTES >> 12),
                chance.randrange(1 << 40),
                0,
                own,
                end,
                1 << 52,
            )
        )

    def any(self) -> int:
        """One of these kinds of number."""
        chance = self._chance
        kind = chance.randrange(7)
        if kind == 0:
            return self.pointer()
        if kind == 1:
            return self.frame()
        if kind == 2:
            return self.frame() << 12 | 8 * chance.randrange(512) | chance.randrange(4)
        if kind == 3:
            return (
                self.frame() << 12
                | chance.choice((0x63, 0x67, 0x61, 0x65, 0xE3, 1, 3))
                | chance.choice((0, 1 << 63))
            )
        if kind == 4:
            return chance.choice(_COUNTS)
        if kind == 5:
            return chance.randrange(1 << 64)
        return chance.randrange(40)

    def call(self) -> list[int]:
        """A number and six arguments; the calls that end a guest are rare."""
        chance = self._chance
        number = (
            chance.choice(HYPERCALLS).number
            if chance.random() < 0.95
            else chance.randrange(1 << 32)
        )
        if number in _ENDING and chance.random() < 0.98:
            number = chance.choice((1, 14, 20, 26, 32))
        first = chance.choice((chance.randrange(40), self.pointer(), self.pointer(), self.any()))
        second = chance.choice(
            (self.pointer(), chance.choice(_COUNTS), chance.randrange(4), self.any())
        )
        third = chance.choice((0, chance.choice(_COUNTS), self.pointer(), self.any()))
        fourth = chance.choice((abi.DOMID_SELF, abi.DOMID_SELF, abi.DOMID_SELF, self.any()))
        return [number, first, second, third, fourth, self.any(), self.any()]


@cache
def _image(ring1: bool) -> Image:
    return workloads.find(SOURCE).image(pv=True, ring1=ring1)


def image(chance: Random, first_mfn: int, *, ring1: bool = False) -> GuestImage:
    """The guest with random calls and a random buffer; its memory begins at machine frame `first_mfn`."""
    assembled = _image(ring1)
    code, symbols = bytearray(assembled.code), assembled.symbols
    words = Words(chance, symbols, first_mfn)
    buffer = [words.any() for _ in range(BUFFER_BYTES // 8)]
    calls = [word for _ in range(CALLS) for word in (*words.call(), 0)]
    for name, content in (("fuzz_buffer", buffer), ("fuzz_calls", calls)):
        at = symbols[name] - KERNEL_BASE - IMAGE_BASE
        struct.pack_into(f"<{len(content)}Q", code, at, *(word & _MASK for word in content))
    return GuestImage(bytes(code), [CALLS], symbols, RAM_BYTES)


def run(seed: int) -> tuple[str, Counter[str]]:
    """Run one guest beside memory that is another VM's; how it ended, and how often each hypercall was made.

    AssertionError if that memory changed, or if a page table or descriptor table is writable or a foreign frame mapped.
    """
    chance = Random(seed)
    kind = registry.find("pv")
    machine = Machine(kind.vmm_bytes + RAM_BYTES + OTHER_BYTES)
    ring1 = chance.random() < 0.1
    settings = resolve("pv", kind.knobs, {"pv.traps": "direct"} if ring1 else {})
    guest = kind(machine, image(chance, kind.vmm_bytes >> 12, ring1=ring1), settings)
    assert isinstance(guest, Paravirtual)
    others, other = chance.randbytes(OTHER_BYTES), kind.vmm_bytes + RAM_BYTES
    machine.memory.write(other, others)
    try:
        end = guest.run(BUDGET).value
    except GUEST_ERRORS as error:
        end = str(error)
    assert "\n" not in end
    assert machine.memory.read(other, OTHER_BYTES) == others, (
        f"seed {seed}: another VM's memory changed"
    )
    assert unsafe(guest.domain, machine.memory) == [], f"seed {seed}"
    counts = guest.machine.profile.counters()
    return end, _made(counts)


def _made(counts: object) -> Counter[str]:
    from hardware_model import counters

    every = counters.as_dict(counts)  # type: ignore[arg-type]
    return Counter({call.name: every.get(f"hypercall.{call.name}", 0) for call in HYPERCALLS})


def main(arguments: Sequence[str]) -> None:
    """Run guests; print what they came to, and by how much this process has grown since the first few, in MiB."""
    first, count = int(arguments[0]), int(arguments[1])
    ends: Counter[str] = Counter()
    made: Counter[str] = Counter()
    warm = 0
    for seed in range(first, first + count):
        end, calls = run(seed)
        gc.collect()  # machines refer to themselves; what is measured is what guests make the VMM keep
        ends[end.split(" at ")[0]] += 1
        made += calls
        if seed == first + 2:
            warm = _peak_mib()
    print(json.dumps({"ends": ends, "calls": made, "grown_mib": _peak_mib() - warm}))


def _peak_mib() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10


if __name__ == "__main__":
    main(sys.argv[1:])
