"""A guest whose rings say anything: random words stored in them while its drivers use them, under every I/O model.

As a program, `python -m tests.proofs.ring_forgery FIRST_SEED COUNT MODEL` runs as many guests and prints one line of JSON.
"""

from __future__ import annotations

import gc
import json
import resource
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from random import Random

import workloads
from hardware_model import counters
from hardware_model.machine import End, Machine
from techniques import io_models, registry
from techniques.guest_errors import GUEST_ERRORS
from techniques.io_models import EMULATED, PARAVIRTUAL, PASSTHROUGH
from techniques.knobs import Value, resolve
from techniques.paravirtual import Paravirtual
from techniques.runner import guest_image
from techniques.technique import Technique
from tests.proofs import shared_rings
from tests.proofs.device_rings import Forger
from tests.proofs.page_table_safety import unsafe

HVM = ("hvm-ept", "hvm-shadow")
TECHNIQUES = {
    PARAVIRTUAL: ("hvm-ept", "pv", "bt", "hvm-shadow"),
    EMULATED: ("hvm-ept", "bt", "hvm-shadow", "trap-and-emulate"),
    PASSTHROUGH: ("hvm-ept", "bt", "hvm-shadow", "trap-and-emulate"),
}
REFUSED = {PARAVIRTUAL: "refused", EMULATED: "refused", PASSTHROUGH: "vtd.blocked"}
"""The counter that says how often something forged was not done."""
WORKLOADS = ("io/disk-read", "io/disk-write", "io/network-transmit", "io/network-receive")
BUDGET = {PARAVIRTUAL: 300_000, EMULATED: 800_000, PASSTHROUGH: 800_000}
SLICE, OTHER_BYTES, MOST_FORGED = 700, 2 << 20, 40


def settings(name: str, io: str, chance: Random) -> dict[str, Value]:
    """The knobs of a guest's technique; how an assigned device's interrupts come is drawn."""
    kind, chosen = registry.find(name), {}
    if io == PASSTHROUGH and name in HVM:
        chosen = {"passthrough.interrupts": chance.choice(("exit", "posted"))}
    return resolve(name, kind.knobs, chosen)


def forge(guest: Technique, chance: Random, *, goes_on: bool) -> int:
    """Forge what guest and back end share, each followed by a notification while the guest goes on; how much."""
    forged = 0
    for _ in range(chance.randrange(MOST_FORGED)):
        stores = shared_rings.forge(guest, chance)
        if stores and goes_on:
            shared_rings.kick(guest, chance)
        forged += stores
    return forged


def run(
    seed: int, io: str = PARAVIRTUAL, first: Callable[[Technique], None] = lambda guest: None
) -> tuple[str, int, int]:
    """Run one guest beside memory that is another VM's: how it ended, how much was forged, how much of it was refused.

    `first` is called with the technique before its guest runs.

    AssertionError if that memory changed, if under pv a page table became writable or a foreign frame was mapped, or if
    the remapping unit blocked a request without a record of it.
    """
    chance = Random(seed)
    name, workload = chance.choice(TECHNIQUES[io]), workloads.find(chance.choice(WORKLOADS))
    kind = registry.find(name)
    image = guest_image(workload, "small", ported=kind.ported)
    other = kind.vmm_bytes + image.ram_bytes + io_models.machine_bytes(io)
    machine = Machine(other + OTHER_BYTES)
    guest = kind(machine, image, settings(name, io, chance))
    io_models.connect(guest, io)
    others = chance.randbytes(OTHER_BYTES)
    machine.memory.write(other, others)
    forged = 0
    forger = None if io == PARAVIRTUAL else Forger(guest, chance)
    first(guest)
    try:
        guest.start()
        end = End.PAUSED
        while end is End.PAUSED and machine.now < BUDGET[io]:
            end = guest.resume(BUDGET[io] - machine.now, machine.now + SLICE)
            if forger is None:
                forged += forge(guest, chance, goes_on=end is End.PAUSED)
        guest.finish()
        ended = end.value
    except GUEST_ERRORS as error:
        ended = str(error)
    assert "\n" not in ended
    where = f"seed {seed}: {name}, {workload.name}"
    assert machine.memory.read(other, OTHER_BYTES) == others, (
        f"{where}: another VM's memory changed"
    )
    if isinstance(guest, Paravirtual):
        assert unsafe(guest.domain, machine.memory) == [], where
    counts = counters.as_dict(machine.profile.counters())
    faults = ("vtd.fault", "vtd.fault.lost", "vtd.fault.disabled")
    assert counts.get("vtd.blocked", 0) == sum(counts.get(name, 0) for name in faults), where
    return ended, forger.forged if forger else forged, counts.get(REFUSED[io], 0)


def main(arguments: Sequence[str]) -> None:
    """Run guests; print what they came to, and by how much this process has grown since the first few, in MiB."""
    first, count, io = int(arguments[0]), int(arguments[1]), arguments[2]
    ends: Counter[str] = Counter()
    forged = refused = warm = 0
    for seed in range(first, first + count):
        end, stores, refusals = run(seed, io)
        ends[end.split(" at ")[0]] += 1
        forged, refused = forged + stores, refused + refusals
        gc.collect()  # machines refer to themselves
        if seed == first + 5:
            warm = _peak_mib()
    grown = _peak_mib() - warm
    print(json.dumps({"ends": ends, "forged": forged, "refused": refused, "grown_mib": grown}))


def _peak_mib() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10


if __name__ == "__main__":
    main(sys.argv[1:])
