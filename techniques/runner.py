"""One cell: a workload's image under one technique on a fresh machine, and its outcome."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from hardware_model import counters as counter_table
from hardware_model import presets
from hardware_model.boot import KERNEL_BASE
from hardware_model.machine import End, Machine
from hardware_model.mmu.geometry import TlbGeometry
from hardware_model.resident_pages import resident
from techniques import io_models, linux_outcome
from techniques.guest import GuestImage, LinuxImage
from techniques.guest_errors import GUEST_ERRORS
from techniques.isolation.attacks import ATTACKS, PROTECTION
from techniques.knobs import Value, resolve
from techniques.region_of_interest import RegionOfInterest
from techniques.registry import NATIVE, find
from techniques.registry import knobs as declared_knobs
from techniques.several.beside import BESIDE, neighbours
from techniques.technique import Skipped, Technique

if TYPE_CHECKING:
    from workloads import LinuxWorkload, Workload

DEFAULT_BUDGET = 2_000_000_000
MIB = 1 << 20
HOTTEST = 50
RESULT_BYTES = 512


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a cell came to; `digest` and `outcome_parts` are what the guest could tell, `counters_*` what it took."""

    status: str
    reason: str
    guest_status: int | None
    digest: str
    outcome_parts: dict[str, str]
    counters_roi: dict[str, int]
    counters_total: dict[str, int]
    instructions: int
    console: bytes
    hot_exits: list[tuple[str, int, str, int]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    counters_elsewhere: dict[str, dict[str, int]] = field(default_factory=dict)
    """Counters of further scopes: the whole machine's, and those of each VM beside this one."""


def run_guest(
    technique: str,
    workload: Workload | LinuxWorkload,
    size: str,
    io: str = "emulated",
    knobs: Mapping[str, Value] | None = None,
    geometry: str = "nehalem",
    budget: int | None = None,
    then: Callable[[Technique], None] | None = None,
    first: Callable[[Technique], None] | None = None,
) -> Outcome:
    """Run `workload` in `size` under `technique` on a machine with the TLBs of preset `geometry`.

    `first` is called with the technique before the guest runs, `then` when it has ended, to look into it.
    Raises Skipped when the cell makes no sense and ValueError for names that do not exist; whatever the guest does
    ends in an Outcome.
    """
    kind = find(technique)
    settings = resolve(technique, tuple(declared_knobs(technique).values()), knobs or {})
    kind.check(workload, size)
    io_models.check(kind, workload, io)
    beside = neighbours(str(settings.pop(BESIDE.name, "")))
    if beside:
        from techniques.several import shared_machine  # which runs its VMs by this module's means

        return shared_machine.run(
            technique, workload, size, io, settings, beside, _geometry(geometry), budget
        )
    protected = bool(settings.pop(PROTECTION.name, True))
    if technique != NATIVE and workload.name in ATTACKS:
        from techniques.isolation import experiment

        return experiment.run(
            technique, workload, size, settings, _geometry(geometry), budget, protected=protected
        )
    image = guest_image(workload, size, ported=kind.ported, ring1=kind.ring1(settings))
    memory = kind.vmm_bytes_beside(image.ram_bytes) + image.ram_bytes + io_models.machine_bytes(io)
    machine = Machine(memory, _geometry(geometry))
    guest = kind(machine, image, settings)
    io_models.connect(guest, io)
    region = RegionOfInterest(machine)
    if first is not None:
        first(guest)
    try:
        end = guest.run(budget or workload.budget or DEFAULT_BUDGET)
        status, reason = verdict(end, guest)
    except GUEST_ERRORS as error:
        status, reason = "failed", str(error)
    total = machine.profile.counters()
    outcome = outcome_of(guest, status, reason, region.counters(total), total)
    if then is not None:
        then(guest)
    return outcome


@cache
def _geometry(preset: str) -> TlbGeometry:
    return presets.load(preset).geometry


def guest_image(
    workload: Workload | LinuxWorkload,
    size: str,
    *,
    ported: bool = False,
    ring1: bool = False,
) -> GuestImage | LinuxImage:
    """The image that a technique boots; `ported`: with the kernel ported to Xen's interface, `ring1`: for CPL 1.

    Skipped if a kernel that is not ours is not here.
    """
    if workload.on_linux:
        if workload.missing:
            raise Skipped(workload.missing)
        kernel, ram_bytes = workload.kernel(size, ported=ported), workload.ram_mib * MIB
        return LinuxImage(kernel, workload.symbols, ram_bytes, bool(workload.boot.program))
    image = workload.image(pv=ported, ring1=ring1)
    return GuestImage(
        image.code,
        workload.parameters(size),
        image.symbols,
        workload.ram_mib * MIB,
        workload.disk,
    )


def verdict(end: End, guest: Technique) -> tuple[str, str]:
    """Status and reason of a guest that ended so."""
    status = guest.platform.exit_port.status
    where = f"at RIP {guest.guest_registers().rip:#x}"
    if isinstance(guest.image, LinuxImage):
        console = bytes(guest.platform.uart.output)
        return linux_outcome.verdict(end, console, where, announces=guest.image.announces)
    if end is not End.EXITED:
        return "failed", f"{end.value} {where}"
    if status:
        return "failed", f"the guest ended with status {status} {where}"
    return "ok", ""


def outcome_of(
    guest: Technique,
    status: str,
    reason: str,
    roi: counter_table.CounterArray,
    total: counter_table.CounterArray,
) -> Outcome:
    """What became of a guest, whose context is on the processor."""
    parts = outcome_parts(guest)
    return Outcome(
        status=status,
        reason=reason,
        guest_status=_guest_status(guest),
        digest=hashlib.sha256(
            "\n".join(f"{k}={v}" for k, v in sorted(parts.items())).encode()
        ).hexdigest(),
        outcome_parts=parts,
        counters_roi=counter_table.as_dict(roi),
        counters_total=counter_table.as_dict(total),
        instructions=guest.machine.instructions,
        console=bytes(guest.platform.uart.output),
        hot_exits=_hottest(guest),
    )


def _guest_status(guest: Technique) -> int | None:
    if isinstance(guest.image, LinuxImage):
        return linux_outcome.status(bytes(guest.platform.uart.output))
    return guest.platform.exit_port.status


def outcome_parts(guest: Technique) -> dict[str, str]:
    """What the guest could tell, part by part, as far as it is compared: memory, registers, console, status, result;
    of Linux what `linux_outcome.parts` takes.
    """
    if isinstance(guest.image, LinuxImage):
        said = linux_outcome.parts(bytes(guest.platform.uart.output))
        alike = "memory" in guest.compared and not guest.ported
        compared = tuple(said) if alike else linux_outcome.PLATFORM_INDEPENDENT
        return {name: said[name] for name in compared}
    parts: dict[str, Callable[[], str]] = {
        "memory": lambda: memory_digest(guest),
        "registers": lambda: hashlib.sha256(repr(guest.guest_registers()).encode()).hexdigest(),
        "console": lambda: hashlib.sha256(bytes(guest.platform.uart.output)).hexdigest(),
        "status": lambda: str(guest.platform.exit_port.status),
        "result": lambda: result_words(guest),
    }
    return {name: parts[name]() for name in guest.compared}


def result_words(guest: Technique) -> str:
    """The words that the workload left as its result, in hexadecimal; empty if the image has none."""
    at = guest.image.symbols.get("result", 0) - KERNEL_BASE
    return guest.memory.read(at, RESULT_BYTES).rstrip(b"\0").hex() if at >= 0 else ""


def memory_digest(guest: Technique) -> str:
    """SHA-256 over the guest's frames that are not all zero, each with its number."""
    first = guest.memory.base >> 3
    words = guest.machine.engine.ram64[first : first + (guest.memory.size >> 3)]
    frames = words.reshape(-1, 512)
    held = resident(words)
    used = held[frames[held].any(axis=1)]
    digest = hashlib.sha256(used.astype(np.int64).tobytes())
    digest.update(frames[used].tobytes())
    return digest.hexdigest()


def _hottest(guest: Technique) -> list[tuple[str, int, str, int]]:
    if not guest.hot_exits:
        return []
    names = sorted((address, name) for name, address in guest.image.symbols.items())
    addresses = [address for address, _ in names]
    rows = []
    for (reason, rip), times in guest.hot_exits.most_common(HOTTEST):
        position = int(np.searchsorted(np.array(addresses, np.uint64), np.uint64(rip), "right")) - 1
        rows.append((reason, rip, names[position][1] if position >= 0 else "", times))
    return rows
