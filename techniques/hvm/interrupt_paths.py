"""How interrupts reach a guest of VT-x: the controls for each way."""

from __future__ import annotations

from dataclasses import dataclass

from hardware_model.devices import local_apic
from hardware_model.vmx.controls import Exit, PinBased, Primary, Secondary
from hardware_model.vmx.fields import Field
from hardware_model.vmx.transitions import Vmx
from hardware_model.vtd import posted_interrupts

NOTIFICATION_VECTOR = 0xF2
"""The machine's vector that tells the processor of posted interrupts; any that no device has."""


@dataclass(frozen=True, slots=True)
class InterruptPath:
    """Controls of one way, beside those of the TPR shadow."""

    pin_based: PinBased
    primary: Primary
    secondary: Secondary
    exit: Exit


BY_INJECTION = InterruptPath(
    PinBased.EXTERNAL_INTERRUPT_EXITING, Primary.HLT_EXITING, Secondary(0), Exit(0)
)
"""Every interrupt exits, and the VMM injects the guest's."""
POSTED = InterruptPath(
    PinBased.EXTERNAL_INTERRUPT_EXITING | PinBased.POSTED_INTERRUPTS,
    Primary(0),
    Secondary.VIRTUALIZE_APIC_ACCESSES
    | Secondary.APIC_REGISTER_VIRTUALIZATION
    | Secondary.VIRTUAL_INTERRUPT_DELIVERY,
    Exit.ACKNOWLEDGE_INTERRUPT,
)
"""Only the VMM's own interrupts exit. HLT does not, so that a notification finds the guest on the processor."""
OWN = InterruptPath(PinBased(0), Primary(0), Secondary(0), Exit(0))
"""None exits: the machine's local APIC is the guest's."""


def set_notification(vmx: Vmx, descriptor: int) -> None:
    """Have the processor take up what VT-d posts in the descriptor at machine address `descriptor`."""
    control = posted_interrupts.control_word(NOTIFICATION_VECTOR)
    vmx.machine.memory.write64(descriptor + posted_interrupts.CONTROL, control)
    vmx.write(Field.APIC_ACCESS_ADDRESS, local_apic.BASE)
    vmx.write(Field.POSTED_INTERRUPT_DESCRIPTOR, descriptor)
    vmx.write(Field.POSTED_INTERRUPT_VECTOR, NOTIFICATION_VECTOR)
