"""What tests of non-maskable interrupts have their guest and its VMM do."""

from __future__ import annotations

import pytest

from hardware_model.vmx.controls import PinBased, Primary
from hardware_model.vmx.exit_reasons import Reason
from hardware_model.vmx.fields import Field
from tests.small_guest import LOG

VALID, UNBLOCKING = 1 << 31, 1 << 12
NMI = VALID | 2 << 8 | 2
EXCEPTION = 3 << 8
BLOCKED = 8
NONE, EXITS = PinBased(0), PinBased.NMI_EXITING
VIRTUAL = PinBased.NMI_EXITING | PinBased.VIRTUAL_NMIS
RULES = pytest.mark.parametrize(
    "pin", [NONE, EXITS, VIRTUAL], ids=["delivered", "exits", "virtual"]
)
HANDLER = "jmp over; nmi: pushfq; popfq; {body}; iretq; over: "
"""A handler of NMIs without a log, whose body a test chooses."""
IRET_HERE = "mov rax, rsp; push 0x10; push rax; push {flags}; push 8; lea rbx, [rip+at]; push rbx; iretq; at: nop; nop\n"


def log(run):
    """(vector, RIP) of the events that the guest's handlers saw."""
    at = [LOG + 128 * (n + 1) for n in range(run.word(LOG))]
    return [(run.word(entry), run.word(entry + 16)) for entry in at]


def on_cpuid(*actions):
    """A VMM that does the next of `actions` at each CPUID of the guest, then steps over it."""
    left = list(actions)

    def on_exit(run, seen):
        if seen.reason is not Reason.CPUID:
            return True
        run.vmx.skip_instruction()
        if left:
            left.pop(0)(run)
        return True

    return on_exit


def raise_nmi(run):
    run.machine.engine.raise_nmi()


def block(run):
    run.vmx.write(Field.GUEST_INTERRUPTIBILITY_STATE, BLOCKED)


def unblock(run):
    run.vmx.write(Field.GUEST_INTERRUPTIBILITY_STATE, 0)


def inject(run):
    run.vmx.write(Field.ENTRY_INTERRUPTION_INFO, NMI)


def open_window(run):
    controls = run.vmx.read(Field.PRIMARY_CONTROLS)
    run.vmx.write(Field.PRIMARY_CONTROLS, controls | int(Primary.NMI_WINDOW_EXITING))


def close_window(run):
    controls = run.vmx.read(Field.PRIMARY_CONTROLS)
    run.vmx.write(Field.PRIMARY_CONTROLS, controls & ~int(Primary.NMI_WINDOW_EXITING))


def exits(run):
    """Exits but those of CPUID: reason, interruption information, RIP, interruptibility."""
    return [
        (seen.reason, seen.info, seen.rip, seen.interruptibility)
        for seen in run.exits
        if seen.reason is not Reason.CPUID
    ]
