"""The system instructions, declared once: code, tests and documentation derive from it.

What "at CPL1" supposes of the VMM (ring compression, the classic deprivileging of x86): the kernel
runs at CPL1 with IOPL 0; GDT, IDT, TSS and page tables are the VMM's; the VMM's GDT holds the
guest's code and data descriptors at the guest's own indices with DPL 0 changed to 1, and no system
descriptor of the guest; interrupts stay enabled while the guest runs; CR4.TSD is set, CR4.PCE clear
and every port forbidden; selectors with RPL 0 that the VMM loads for the guest get RPL 1.

Sources: Intel SDM vol. 2 and 3; Popek and Goldberg, CACM 17(7), 1974; Robin and Irvine, "Analysis
of the Intel Pentium's Ability to Support a Secure Virtual Machine Monitor", USENIX Security 2000.
"""

from __future__ import annotations

from hardware_model.system_instructions import (
    control_registers,
    descriptor_tables,
    flags_and_interrupts,
    input_output,
    machine_state,
    segments,
    virtualization,
)
from hardware_model.system_instructions.row import AtCpl1, Privilege, Sensitivity, SystemInstruction

SYSTEM_INSTRUCTIONS: tuple[SystemInstruction, ...] = (
    *flags_and_interrupts.ROWS,
    *control_registers.ROWS,
    *descriptor_tables.ROWS,
    *segments.ROWS,
    *machine_state.ROWS,
    *input_output.ROWS,
    *virtualization.ROWS,
)

BY_MNEMONIC: dict[str, SystemInstruction] = {row.mnemonic: row for row in SYSTEM_INSTRUCTIONS}


def privileged() -> tuple[SystemInstruction, ...]:
    """Instructions that fault at every CPL above 0."""
    return tuple(row for row in SYSTEM_INSTRUCTIONS if row.privileged)


def critical() -> tuple[SystemInstruction, ...]:
    """Sensitive instructions that a deprivileged kernel executes without a trap, and wrongly.

    By Popek and Goldberg's theorem these, and only these, keep trap-and-emulate from being a VMM:
    it must differ from native on exactly these.
    """
    return tuple(row for row in SYSTEM_INSTRUCTIONS if row.sensitive and row.at_cpl1 == "differs")


def divergent_probes() -> frozenset[str]:
    """Slots of the probe workload that must differ between trap-and-emulate and native."""
    return frozenset(slot for row in SYSTEM_INSTRUCTIONS for slot in row.differs)


def equal_probes() -> frozenset[str]:
    """Slots of the probe workload that must agree between trap-and-emulate and native."""
    return frozenset(slot for row in SYSTEM_INSTRUCTIONS for slot in row.agrees)


__all__ = [
    "BY_MNEMONIC",
    "SYSTEM_INSTRUCTIONS",
    "AtCpl1",
    "Privilege",
    "Sensitivity",
    "SystemInstruction",
    "critical",
    "divergent_probes",
    "equal_probes",
    "privileged",
]
