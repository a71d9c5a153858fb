"""Rows: port input and output (SDM vol. 1 19.5; vol. 3C 25.1.3)."""

from __future__ import annotations

from hardware_model.system_instructions.row import SystemInstruction

_CALLOUT = "callout: the VMM's device model"


def _port(
    mnemonic: str, forms: str, probe: tuple[str, ...] = (), bt: str = _CALLOUT
) -> SystemInstruction:
    return SystemInstruction(
        mnemonic=mnemonic,
        forms=forms,
        cost_key=mnemonic.lower(),
        privilege="iopl",
        sensitivity="control",
        reason="reaches a device",
        at_cpl1="traps",
        cpl1="the VMM keeps IOPL at 0 and forbids every port in the TSS bitmap: #GP(0)",
        agrees=probe,
        exit="Primary.USE_IO_BITMAPS or UNCONDITIONAL_IO_EXITING",
        exit_reason="io_instruction",
        bt=bt,
        pv="avoided: console_io and event channels; else trap",
    )


ROWS = (
    _port(
        "IN",
        "E4, E5, EC, ED",
        ("in",),
        "in-cache or callout: itself from a port of an assigned device; loads a byte from the virtual chipset if that "
        "has no effect; else the VMM",
    ),
    _port(
        "OUT",
        "E6, E7, EE, EF",
        ("out",),
        "callout: the VMM's device model; itself, in the cache, to a port of an assigned device",
    ),
    _port("INS", "6C, 6D"),
    _port("OUTS", "6E, 6F"),
)
