"""Why x86 was not virtualizable: the probe differs under trap-and-emulate on exactly the instructions that theory names."""

from __future__ import annotations

import techniques
import workloads
from hardware_model import boot
from hardware_model.machine import Machine
from hardware_model.system_instructions import divergent_probes
from techniques.knobs import resolve
from techniques.runner import guest_image


def seen_by_the_guest(technique: str) -> list[int]:
    """The probe's result words under `technique`."""
    workload = workloads.find("sensitive/probe")
    kind, image = techniques.find(technique), guest_image(workload, "small")
    machine = Machine(kind.vmm_bytes + image.ram_bytes)
    guest = kind(machine, image, resolve(technique, kind.knobs, {}))
    guest.run(10_000_000)
    first = image.symbols["result"] - boot.KERNEL_BASE
    return [guest.memory.read64(first + 8 * slot) for slot in range(len(workload.slots))]


def test_trap_and_emulate_diverges_on_what_theory_names_and_on_nothing_else():
    slots = workloads.find("sensitive/probe").slots
    pairs = zip(
        slots, seen_by_the_guest("native"), seen_by_the_guest("trap-and-emulate"), strict=True
    )
    assert {slot for slot, native, virtual in pairs if native != virtual} == set(divergent_probes())


def test_no_instruction_differs_under_the_other_techniques():
    native = seen_by_the_guest("native")
    for technique in ("bt", "hvm-shadow", "hvm-ept"):
        assert seen_by_the_guest(technique) == native
