"""One row of the table of system instructions, and the words that it uses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Privilege = Literal["cpl0", "iopl", "control bit", "none", "invalid"]
"""Who may execute an instruction in 64-bit mode without a fault.

cpl0: CPL 0 only. iopl: CPL <= RFLAGS.IOPL (for I/O: or the TSS bitmap permits the port). control
bit: every CPL, unless the operating system has a bit of CR4 set or clear. none: every CPL. invalid:
nobody, the instruction raises #UD on this machine.
"""

Sensitivity = Literal["control", "behaviour", "none"]
"""Popek and Goldberg (CACM 1974): control-sensitive instructions change the processor's privilege
or resources, behaviour-sensitive ones show or depend on them.
"""

AtCpl1 = Literal["traps", "differs", "same", "invalid"]
"""What becomes of the instruction in a kernel that runs at CPL1 on a VMM that cannot translate it.

traps: it faults, so the VMM can emulate it exactly. differs: for some operand it does not fault,
and the kernel sees or gets something else than at CPL0. same: it does not fault and does what it
does at CPL0. invalid: #UD at any CPL.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemInstruction:
    """One system instruction of 64-bit mode.

    `mnemonic` is the row's key, `forms` its encodings, `cost_key` its instruction class.
    `privilege` and `fault` (mnemonic of the exception that a lack of privilege raises) are the
    architecture's; `sensitivity` and `reason` are the theory's. `robin_irvine` tells whether the
    instruction is in the list of Robin and Irvine (USENIX Security 2000), and `long_mode` how that
    entry applies in 64-bit mode. `at_cpl1` and `cpl1` say what a deprivileged kernel notices;
    `agrees` and `differs` name the slots of the probe workload that show it. `exit` is what makes
    the instruction exit in VMX non-root operation: "never", "always", the name of a control, a mask
    or the exception bitmap; `exit_reason` is the name of the basic exit reason. `bt` and `pv` tell
    what binary translation and a Xen-PV port put in its place. `bt` begins with copied, in-cache (a
    sequence in the translation cache), callout, in-cache or callout, or UD2 (#UD in its place); behind a
    colon it says how, and why the VMM is needed.
    """

    mnemonic: str
    forms: str
    cost_key: str
    privilege: Privilege
    fault: str = "gp"
    sensitivity: Sensitivity
    reason: str
    robin_irvine: bool = False
    long_mode: str = ""
    at_cpl1: AtCpl1
    cpl1: str
    agrees: tuple[str, ...] = ()
    differs: tuple[str, ...] = ()
    exit: str = "never"
    exit_reason: str = ""
    bt: str
    pv: str

    @property
    def privileged(self) -> bool:
        """Whether it faults at every CPL above 0, whatever the flags and control bits."""
        return self.privilege == "cpl0"

    @property
    def iopl_sensitive(self) -> bool:
        """Whether RFLAGS.IOPL decides if it faults."""
        return self.privilege == "iopl"

    @property
    def sensitive(self) -> bool:
        """Whether it is sensitive in the sense of Popek and Goldberg."""
        return self.sensitivity != "none"

    @property
    def trap_and_emulate(self) -> str:
        """What becomes of it in a deprivileged, untranslated kernel."""
        words = {"traps": "traps, emulated", "differs": "executes, wrongly", "same": "executes"}
        return words.get(self.at_cpl1, "#UD")

    @property
    def hvm(self) -> str:
        """What becomes of it in VMX non-root operation."""
        words = {"never": "executes", "always": "exits"}
        return words.get(self.exit, f"exits if selected by {self.exit}")
