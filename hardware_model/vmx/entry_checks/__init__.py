"""The checks of VM entry on controls, host state and guest state (SDM vol. 3C 26.2 and 26.3).

Each rule is one small function, declared in the table of its module; `RULES` has them all in the
order in which they are checked. `check_entry` checks a VMCS once; an `EntryChecker` checks one VMCS
again and again, and evaluates only the rules whose fields have changed.
"""

from hardware_model.vmx.entry_checks.check import RULES, EntryChecker, check_entry
from hardware_model.vmx.entry_checks.rule import EntryFailure, MemoryReader, Rule, Stage

__all__ = [
    "RULES",
    "EntryChecker",
    "EntryFailure",
    "MemoryReader",
    "Rule",
    "Stage",
    "check_entry",
]
