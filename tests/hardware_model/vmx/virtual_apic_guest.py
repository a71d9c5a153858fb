"""Guests with a virtual local APIC: the controls, and posting to them as VT-d does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from hardware_model.cpu.apic_page import ApicPage
from hardware_model.vmx.controls import Exit, PinBased, Primary, Secondary
from hardware_model.vmx.feature_levels import FeatureLevel
from hardware_model.vmx.fields import Field
from hardware_model.vtd import posted_interrupts
from tests.hardware_model.vmx.running_guest import APIC_PAGE, VIRTUAL_APIC, VmxGuest, launchable
from tests.small_guest import LOG, RAM, SmallGuest

DESCRIPTOR = RAM + 0x6000
NOTIFICATION = 0xF2
ACCESSES = Secondary.VIRTUALIZE_APIC_ACCESSES
REGISTERS, DELIVERY = (
    Secondary.APIC_REGISTER_VIRTUALIZATION,
    Secondary.VIRTUAL_INTERRUPT_DELIVERY,
)
APIC_ON = "push 0x202; popfq\n"
PHYSICAL_SVR = 0xFEE000F0


def run_guest(
    text: str,
    secondary: Secondary = ACCESSES | REGISTERS | DELIVERY,
    primary: Primary = Primary(0),  # noqa: B008
    fields: Mapping[Field, int] | None = None,
    prepare: Callable[[VmxGuest], None] | None = None,
    on_exit: Callable[[VmxGuest, Any], bool | None] | None = None,
    **options: Any,
) -> VmxGuest:
    """Run a guest whose accesses to the APIC are virtualized as `secondary` says, with interrupts posted."""
    delivers = bool(secondary & DELIVERY)
    pin = PinBased.EXTERNAL_INTERRUPT_EXITING
    run = launchable(
        SmallGuest(text, **options),
        level=FeatureLevel.VIRTUAL_APIC,
        primary=primary | Primary.USE_TPR_SHADOW,
        secondary=secondary,
        pin=pin | PinBased.POSTED_INTERRUPTS if delivers else pin,
        fields={
            Field.APIC_ACCESS_ADDRESS: APIC_PAGE,
            Field.POSTED_INTERRUPT_DESCRIPTOR: DESCRIPTOR,
            Field.POSTED_INTERRUPT_VECTOR: NOTIFICATION,
            **(fields or {}),
        },
        on_exit=on_exit,
    )
    controls = run.vmx.read(Field.EXIT_CONTROLS)
    run.vmx.write(Field.EXIT_CONTROLS, controls | Exit.ACKNOWLEDGE_INTERRUPT)
    control = posted_interrupts.control_word(NOTIFICATION)
    run.machine.memory.write64(DESCRIPTOR + posted_interrupts.CONTROL, control)
    run.machine.platform.bus.write(PHYSICAL_SVR, 4, 0x1FF)
    if prepare:
        prepare(run)
    return run.run()


def post(run: VmxGuest, *vectors: int) -> None:
    """Post as the remapping unit does."""
    for vector in vectors:
        posted_interrupts.post(
            run.machine.memory,
            DESCRIPTOR,
            vector,
            urgent=False,
            notify=lambda destination, number: run.machine.platform.apic.request(number),
        )


def posts(*vectors: int) -> Callable[[VmxGuest, Any], bool | None]:
    """A VMM during whose handling of CPUID these vectors are posted."""

    def on_exit(run: VmxGuest, seen: Any) -> None:
        post(run, *vectors)

    return on_exit


def page(run: VmxGuest) -> ApicPage:
    """The guest's virtual-APIC page."""
    return ApicPage(run.machine.memory, VIRTUAL_APIC)


def delivered(run: VmxGuest) -> list[tuple[int, int]]:
    """(vector, RIP that it interrupted) of what the guest's handlers saw."""
    return [
        (run.word(LOG + 128 * (n + 1)), run.word(LOG + 128 * (n + 1) + 16))
        for n in range(run.word(LOG))
    ]


def counted(run: VmxGuest, name: str) -> int:
    """One of the machine's counters."""
    from hardware_model import counters

    return int(run.machine.counters[counters.index(name)])
