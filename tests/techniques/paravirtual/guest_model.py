"""What our ported kernel asks of Xen, told from its source: address spaces, its queue of updates, its operations.

Nothing is taken from a run. The numbers are the kernel's own constants (`.set` in workloads/kernel_source) and the
sizes of the user program's sections; a method stands for the routine of the kernel that its docstring names.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from workloads import Workload, source
from workloads.assembler import assemble
from workloads.image import DEFINITIONS, KERNEL_SOURCE, USER_BASE, kernel_statements


def constant(name: str) -> int:
    """A constant of the kernel's source."""
    for file in sorted(KERNEL_SOURCE.glob("*.asm")):
        found = re.search(rf"^\.set {name}, (\w+)", file.read_text(), re.MULTILINE)
        if found:
            return int(found[1], 0)
    raise KeyError(name)


PAGE = constant("PAGE")
QUEUE, MANY_PAGES = constant("XEN_QUEUE"), constant("MANY_PAGES")
USER_TEXT, MMAP_START = constant("USER_TEXT"), constant("MMAP_START")
STACK_TOP, PARAMETER_PAGE = constant("STACK_TOP"), constant("PARAMETER_PAGE")
USER_END = constant("USER_END")
PDPT, DIRECTORY, TABLE = 39, 30, 21  # log2 of what a table of each kind serves


@dataclass
class Region:
    """Addresses with the same rights; `pages`: those that are there, and whether the entry allows stores."""

    start: int
    end: int
    pages: dict[int, bool] = field(default_factory=dict)


@dataclass
class Space:
    """An address space: regions in order, and the tables below its root by (what it serves, number)."""

    regions: list[Region] = field(default_factory=list)
    tables: set[tuple[int, int]] = field(default_factory=set)

    def region(self, address: int) -> Region:
        """The region around an address."""
        return next(r for r in self.regions if r.start <= address < r.end)


class Guest:
    """The kernel's side of the interface; `calls` counts hypercalls by name and what they hold.

    `batching` is `pv.batching=multicall`; `direct` is `pv.traps=direct`: no root for user mode, no iret by hypercall.
    """

    def __init__(self, *, batching: bool = True, direct: bool = False) -> None:
        self.calls: Counter[str] = Counter()
        self._batching = batching
        self._direct = direct
        self.roots = 1 if direct else 2  # of an address space: kernel's and user's
        self._queued = 0
        self._collected: list[str] = []
        self._batches = 0

    # --- xen_hypercalls.asm -------------------------------------------------------------------------
    def _begin(self) -> None:
        self._batches += self._batching

    def _end(self) -> None:
        self._batches -= self._batching
        self._issue()

    def _enqueue(self, entries: int = 1) -> None:
        """xen_enqueue."""
        for _ in range(entries):
            if self._queued == QUEUE:
                self._flush()
            self._queued += 1
            self.calls["pte"] += 1
            if not self._batching:
                self._flush()

    def _issue(self) -> None:
        if not self._batches:
            self._flush()

    def _flush(self) -> None:
        if self._queued:
            self._queued = 0
            self._collected.append("mmu_update")
        self._call_all()

    def _call_all(self) -> None:
        """xen_call_all: what is collected, as a multicall if it is more than one."""
        self.calls["multicall"] += len(self._collected) > 1
        self.calls.update(self._collected)
        self._collected.clear()

    def _operations(self, *names: str, issue: bool = True) -> None:
        """xen_add_operation for each, then xen_issue_operations or, without `issue`, xen_call_operations."""
        self.calls.update(names)
        if not self._batching:
            self.calls["mmuext_op"] += len(names)
            return
        if issue and self._queued:
            self._queued = 0
            self._collected.append("mmu_update")
        self._collected.append("mmuext_op")
        if issue:
            self._call_all()

    def interrupt_return(self) -> None:
        """XEN_RETURN: the way back to a program, after a system call or a fault."""
        self.calls["iret"] += not self._direct

    # --- xen_roots.asm, scheduler.asm ---------------------------------------------------------------
    def create_root(self) -> None:
        """xen_root_created: its frames become read-only, and it is pinned."""
        self._begin()
        self._enqueue(self.roots)
        self._operations(*["pin"] * self.roots)
        self._end()

    def release_root(self) -> None:
        """xen_root_released: unpinned, its frames become writable."""
        self._operations(*["unpin"] * self.roots, issue=False)
        self._begin()
        self._enqueue(self.roots)
        self._end()

    def switch_root(self) -> None:
        """xen_switch_root: the kernel's, and with it the one of user mode."""
        names = ["root_switch", "user_root"]
        self._operations(*names[: self.roots])

    def switch_process(self) -> None:
        """switch_process: stack and roots together."""
        self._begin()
        self._collected.append("stack_switch")
        if not self._batching:
            self._call_all()
        self.switch_root()
        self._end()

    # --- page_tables.asm, page_faults.asm, fork_and_exec.asm, regions.asm ---------------------------
    def _make_slot(self, space: Space, address: int) -> None:
        """make_slot: missing tables are made read-only and attached, each at once."""
        for shift in (PDPT, DIRECTORY, TABLE):
            table = shift, address >> shift
            if table not in space.tables:
                space.tables.add(table)
                self._enqueue()
                self._issue()
                self._enqueue(self.roots if shift == PDPT else 1)
                self._flush()

    def _set_page(self, space: Space, address: int, *, writable: bool) -> None:
        space.region(address).pages[address] = writable
        self._enqueue()
        self._issue()

    def _give_page(self, space: Space, address: int, *, writable: bool = True) -> None:
        self._make_slot(space, address)
        self._set_page(space, address, writable=writable)

    def fault(self, space: Space, address: int) -> None:
        """page_fault, give_page: a page of zeroes."""
        self._give_page(space, address)
        self.interrupt_return()

    def write_fault(self, space: Space, address: int) -> None:
        """page_fault, copy_page_on_write: a copy's entry, and the TLB forgets the old one."""
        self._set_page(space, address, writable=True)
        self._operations("invlpg")
        self.interrupt_return()

    def map(self, space: Space, region: Region, writable: bool | None = None) -> None:
        """system_mmap; with `writable` its pages are there at once (populate)."""
        space.regions = sorted([*space.regions, region], key=lambda r: r.start)
        if writable is None:
            return
        self._begin()
        for address in range(region.start, region.end, PAGE):
            self._give_page(space, address, writable=writable)
        self._end()

    def share(self, parent: Space) -> Space:
        """create_address_space, share_address_space: all entries copied, the parent's writable ones made read-only."""
        self.create_root()
        child = Space([Region(r.start, r.end) for r in parent.regions])
        self._begin()
        for region in parent.regions:
            for address, writable in sorted(region.pages.items()):
                if writable:
                    self._set_page(parent, address, writable=False)
                self._give_page(child, address, writable=False)
        self._end()
        self._operations("tlb_flush")
        return child

    def _unmap(self, space: Space, regions: Iterable[Region]) -> int:
        """unmap_regions: entries cleared, tables that serve nothing else released; the number of pages."""
        pages = 0
        self._begin()
        for region in list(regions):
            for _ in region.pages:
                self._enqueue()
                self._issue()
            pages += len(region.pages)
            place = space.regions.index(region)
            below = space.regions[place - 1].end if place else 0
            del space.regions[place]
            above = space.regions[place].start if place < len(space.regions) else USER_END
            self._release_tables(space, region, below, above)
        self._end()
        return pages

    def _release_tables(self, space: Space, region: Region, below: int, above: int) -> None:
        """release_tables: each detached, and its frame made writable at once."""
        for shift in (TABLE, DIRECTORY, PDPT):
            for number in range(region.start >> shift, (region.end - 1 >> shift) + 1):
                inside = below <= number << shift and number + 1 << shift <= above
                if inside and (shift, number) in space.tables:
                    space.tables.discard((shift, number))
                    self._enqueue(self.roots if shift == PDPT else 1)
                    self._issue()
                    self._enqueue()
                    self._flush()

    def unmap(self, space: Space, region: Region) -> None:
        """system_munmap: and the TLB forgets the range, page by page or, if it is long, at once."""
        count = region.end - region.start >> 12
        if not self._unmap(space, [region]):
            return
        for name in ["invlpg"] * count if count <= MANY_PAGES else ["tlb_flush"]:
            self._operations(name)

    def release(self, space: Space) -> None:
        """exit_process: to the kernel's root, then release_address_space."""
        self.switch_root()
        self._unmap(space, space.regions)
        self.release_root()


def user_image(workload: Workload) -> Space:
    """The address space that map_user_image gives a program, with the first page of its stack, which it has used."""
    names = enumerate(workload.named_parameters("small"))
    program = assemble(
        [*kernel_statements(DEFINITIONS[:1]), *source.read(workload.path)],
        ("user", "user_data"),
        USER_BASE,
        {f"PARAM_{name.upper()}": number for number, name in names},
    )
    guest, space, start = Guest(), Space(), USER_TEXT
    for section in ("user", "user_data"):
        end = start + program.sizes[section]
        if end > start:
            guest.map(space, Region(start, end), writable=False)
        start = end
    guest.map(space, Region(STACK_TOP - PAGE, STACK_TOP), writable=True)
    guest.map(space, Region(PARAMETER_PAGE, PARAMETER_PAGE + PAGE), writable=False)
    return space
