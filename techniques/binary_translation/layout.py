"""The VMM's region inside every address space of its guest: state page, lookup tables, translation cache.

It lies behind the deprivileging VMM's window, under the same root entry, in global supervisor pages of which only
the state page can be written:

    REGION + 0F3000  state page of the virtual CPU
           + 120000  for each port 0 if an IN of one byte finds its value in the next table, 2 if accesses need
                     no VMM, else 1; 64 KiB
           + 130000  the value of each port, 64 KiB
           + 200000  lookup tables, one for each address space: code address for each value of a target's
                     low 16 bits; 512 KiB each
           + 400000  translation cache

The state page, which most sequences use, has another place modulo 1 MiB (256 pages) than the code and the tables of
small kernels, so that it does not contend with these for an entry of a TLB that is indexed by low page-number bits.
"""

from __future__ import annotations

from hardware_model.memory import MachineMemory
from hardware_model.mmu.paging import Cr4, Entry
from techniques.deprivileged.vmm_window import WINDOW

REGION = WINDOW + (1 << 30)
"""Where the region lies at first: it moves with the window."""

STATE, TABLES, CACHE = 0x0F3000, 0x200000, 0x400000
STATE_WORDS = 512
IN_SLOT = REGION - WINDOW
"""Distance of the region from the beginning of the root entry's 512 GiB."""

PORT_ASKS, PORT_VALUES, PORTS = 0x120000, 0x130000, 0x10000
TABLE_ENTRIES = 1 << 16
TABLE_BYTES = 8 * TABLE_ENTRIES
SPACES = 4
REGION_BYTES = 20 << 20
CACHE_BYTES = REGION_BYTES - CACHE
_PAGE, _LARGE = 0x1000, 2 << 20
_ADDRESS = 0x000F_FFFF_FFFF_F000
_TABLE = int(Entry.P | Entry.RW | Entry.A)
_CODE_KEY = 1
CR4_PKS, KEY_RIGHTS = int(Cr4.PKS), 1 << 2 * _CODE_KEY
_CODE = int(Entry.P | Entry.A | Entry.PS | Entry.G) | _CODE_KEY << 59
_DATA = int(Entry.P | Entry.A | Entry.G | Entry.NX)

STATE_FIELDS: dict[str, int] = {
    **{f"gpr{number}": 8 * number for number in range(8)},
    "interrupts": 0x80,
    "pending": 0x88,
    "cr0": 0x90,
    "cr2": 0x98,
    "cr3": 0xA0,
    "cr4": 0xA8,
    "cr8": 0xB0,
    "cs": 0xB8,
    "ss": 0xC0,
    "iopl": 0xC8,
    "requests": 0xD0,
    "gdt_limit": 0xD8,
    "gdt_base": 0xE0,
    "idt_limit": 0xE8,
    "idt_base": 0xF0,
    "ldtr": 0xF8,
    "tr": 0x100,
    "iret_asks": 0x108,
    "lookup": 0x110,
    "ldt_limit": 0x118,
    "ldt_base": 0x120,
    "user_cs": 0x128,
    "user_ss": 0x130,
    "user_code": 0x138,
    "user_data": 0x140,
    "user_code_at": 0x148,
    "user_data_at": 0x150,
    "sysret_asks": 0x158,
    "frame_rip": 0x160,
    "frame_cs": 0x168,
    "frame_flags": 0x170,
    "frame_rsp": 0x178,
    "frame_ss": 0x180,
    "fence": 0x188,
    "fence_fs": 0x190,
    "fence_gs": 0x198,
    "port_asks": PORT_ASKS - STATE,
    "port_values": PORT_VALUES - STATE,
}
"""Offsets from the state page.

`gprN`: register N, saved while translated code uses it for itself. `interrupts`: what to add to flags
with IF set to have the guest's own IF: 0, or -0x200. `iopl`: the same for IOPL. `pending`: not 0 while
an interrupt waits for IF; `requests`: while one waits for IF or a lower priority. `iret_asks`: while
IRET is not to be done in the cache, because an interrupt waits for IF or NT is set; `sysret_asks`: the
same for SYSRET, or because its segments are not the processor's. `user_cs`, `user_ss`: selectors by which
the guest entered user code last; `user_code`, `user_data`: their descriptors, `user_code_at`, `user_data_at`:
where the guest has these. `frame_*`: what an IRET in place of SYSRET pops. `fence`: minus the end of the VMM's
slot, `fence_fs` and `fence_gs`: the same plus the segment's base. `lookup`: an eighth of the address of the
lookup table in use. `port_asks` and `port_values`: the tables of ports. The others are the guest's registers
of that name.
"""


class VmmPages:
    """Entries of the VMM's tables that lead to its pages under `root_entry`, but not to translated code.

    `tables` as for map_region.
    """

    def __init__(self, memory: MachineMemory, root_entry: int, tables: int) -> None:
        self._memory = memory
        directories = root_entry & _ADDRESS
        data = range(tables, tables + 8 * (CACHE >> 21), 8)
        self._places = (directories + 8 * (WINDOW >> 30 & 511), *data)
        self._held = [memory.read64(place) for place in self._places]

    def close(self) -> None:
        """Nothing is present there."""
        for place in self._places:
            self._memory.write64(place, 0)

    def open(self) -> None:
        """Everything is as it was."""
        for place, entry in zip(self._places, self._held, strict=True):
            self._memory.write64(place, entry)


def map_region(memory: MachineMemory, root_entry: int, tables: int, machine: int) -> None:
    """Map machine memory from `machine` (aligned to 2 MiB) at REGION.

    `root_entry` is the entry of every shadow root under which REGION lies, `tables` two free frames. Only the
    state page can be written, for translated code does it, and only the cache can be executed, which in turn can
    neither be read nor written: its protection key denies both while CR4 has CR4_PKS and IA32_PKRS is KEY_RIGHTS.
    """
    directory, pages = tables, tables + 0x1000
    memory.zero_page(directory)
    memory.zero_page(pages)
    memory.write64((root_entry & _ADDRESS) + 8 * (REGION >> 30 & 511), directory | _TABLE)
    memory.write64(directory, pages | _TABLE)
    for offset in (STATE, *range(PORT_ASKS, PORT_VALUES + PORTS, _PAGE)):
        leaf = _DATA | (int(Entry.RW | Entry.D) if offset == STATE else 0)
        memory.write64(pages + (offset >> 12) * 8, machine + offset | leaf)
    for offset in range(TABLES, REGION_BYTES, _LARGE):
        leaf = _CODE if offset >= CACHE else _DATA | int(Entry.PS)
        memory.write64(directory + (offset >> 21) * 8, machine + offset | leaf)
