"""Binary translation of the guest's kernel, after Adams and Agesen (ASPLOS 2006) and Bugnion et al. (TOCS 2012).

knobs              what can be set
layout             where state page, lookup table and cache lie
unit, builder      a translation unit, and how one is emitted
templates          single instructions of translated code
copying            instructions taken over, RIP-relative operands fixed up
control_flow       jumps, calls and returns
interrupt_return   IRETQ; system_return: SYSRETQ; user_returns: what both need to enter user code
descriptor_checks  LAR, LSL, VERR, VERW
fence              checks that keep loads and stores out of the VMM's slot; fence_hits: what becomes of those that fail
sensitive          sequences on the state page, callouts; state_reads: those that only load from it
port_accesses      IN and OUT; open_ports: of the guest's own devices
translator         from guest code to a unit
address_space      which roots share their units
translation_cache  units in machine memory, chained and found
code_frames        guest memory that has been translated
chipset            ports that translated code reads without the VMM
state_page         what translated code can do without the VMM
callouts           what it cannot; emulation: the instructions that do not trap
vmm                `BinaryTranslation`, the technique
"""

from techniques.binary_translation.vmm import BinaryTranslation

TECHNIQUE = BinaryTranslation

__all__ = ["BinaryTranslation"]
