"""Knobs of the I/O models; every technique that has the model has its knobs."""

from __future__ import annotations

from techniques.io_models.virtio.virtqueue import Suppression
from techniques.knobs import Knob

SUPPRESSION = Knob(
    "virtio.suppression",
    Suppression.EVENT_INDEX.value,
    tuple(choice.value for choice in Suppression),
    "how guest and back end say that they need not be notified (I/O model paravirtual)",
    "flags: an interrupt for each buffer used between two looks; off: every kick is an exit",
)

BATCHING = Knob(
    "rings.batching",
    True,
    (True, False),
    "frames that come within 25.6 us are handed to the guest together (I/O model paravirtual)",
    "off: an interrupt for each frame that the guest waits for",
)
HOST_INTERVAL = 25_600
"""Nanoseconds between two looks of a back end at what has come: the moderation of the host's own card."""
INTERRUPTS = Knob(
    "passthrough.interrupts",
    "exit",
    ("exit", "posted", "direct"),
    "how an assigned device's interrupts reach the guest (I/O model passthrough)",
    "posted: by VT-d and the processor, without an exit, and HLT does not exit either; "
    "direct: by the guest's own IDT, the local APIC being the guest's: the VMM cannot take the processor back",
)
PARAVIRTUAL_KNOBS = (SUPPRESSION, BATCHING)
