"""Trap-and-emulate: the classic VMM of Popek and Goldberg (CACM 1974) on x86, which was not made for it.

The kernel's own code runs at CPL 1. What traps is emulated exactly; the sensitive instructions that
do not trap show the VMM's values and ignore the guest's wishes. `hardware_model.system_instructions`
names them: a guest that depends on one of them goes astray, every other guest runs as natively.
"""

from techniques.trap_and_emulate.technique import TrapAndEmulate

TECHNIQUE = TrapAndEmulate

__all__ = ["TECHNIQUE", "TrapAndEmulate"]
