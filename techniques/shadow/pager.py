"""`ShadowPager`: shadow paging as a VMM uses it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from hardware_model.counters import CounterArray
from hardware_model.mmu.paging import Cr4, PageFault
from techniques.shadow import counts as counted
from techniques.shadow.entry_bits import NX, RW, US, D
from techniques.shadow.errors import ReservedRegion
from techniques.shadow.faults import FILLED, DeviceAccess, EmulateWrite, FaultResult, GuestFault
from techniques.shadow.flushes import Flushes
from techniques.shadow.guest_walk import (
    FETCH,
    SMAP_LIFTED,
    STORE,
    USER,
    GuestTranslation,
    GuestWalker,
)
from techniques.shadow.paging_mode import (
    CR0_BITS,
    CR4_BITS,
    EFER_BITS,
    GuestPaging,
    ProcessorLimits,
    paging_mode,
)
from techniques.shadow.policies import POLICIES, Policy
from techniques.shadow.ports import FrameAllocator, GuestMemory, MachineMemory, Tlb
from techniques.shadow.resources import Resources

_W = int(PageFault.W)
_ACCESS = STORE | USER | FETCH  # bits of an error code that say what the access was
_SMEP, _SMAP = int(Cr4.SMEP), int(Cr4.SMAP)
_MUST_EMULATE = -1
NOTHING_RESERVED: Mapping[int, int] = MappingProxyType({})


class ShadowPager:
    """Shadow page tables for one virtual processor.

    The VMM runs the guest with `root` in the real CR3, real CR0.WP = 1 and EFER.NXE = 1 whatever
    the guest set (fetches could not be told from loads otherwise), and the guest's own CR4.SMEP,
    CR4.SMAP and CR4.PGE. It loads `root` after `set_registers` and each `on_..._write`, even if it
    is the same: this load is what drops non-global translations. It tells the pager of page faults,
    INVLPGs and its own stores to guest memory. A deprivileged kernel runs at CPL 1, which is
    supervisor mode for paging: U/S means the same there.

    `guest` and `machine` are memories, `frames` the pool for shadow tables, `policy` one of
    `POLICIES`, `prefetch` as `Resources`'. `reserved`, for a deprivileged guest only, gives root entries by
    index (0 to 511) that every shadow root holds for the VMM's own linear addresses.
    """

    def __init__(
        self,
        *,
        guest: GuestMemory,
        machine: MachineMemory,
        frames: FrameAllocator,
        tlb: Tlb,
        counters: CounterArray,
        policy: str = "trace",
        prefetch: int = 1,
        deprivileged: bool = False,
        reserved: Mapping[int, int] = NOTHING_RESERVED,
        limits: ProcessorLimits = ProcessorLimits(),  # noqa: B008 - immutable
    ) -> None:
        if policy not in POLICIES:
            known = ", ".join(POLICIES)
            raise ValueError(f"there is no shadow-paging policy {policy!r}; there are: {known}")
        if reserved and not deprivileged:
            raise ValueError("only a deprivileged guest shares linear addresses with its VMM")
        self._counts = counted.view(counters)
        self._flushes = Flushes(tlb, self._counts)
        self._walker = GuestWalker(guest, counters)
        own = counted.OWN_ENTRY_READ if deprivileged else counted.GUEST_ENTRY_READ
        self._own_walker = GuestWalker(guest, counters, own)
        self._size = guest.size
        self._limits = limits
        self._reserved = dict(reserved)
        self._devices: set[int] = set()
        self._resources = Resources(
            guest,
            machine,
            frames,
            self._flushes,
            self._counts,
            self._reserved,
            self._devices,
            prefetch,
        )
        self._policy: Policy = POLICIES[policy](self._resources)
        self._paging = GuestPaging(0, 0, 0, 0)

    @property
    def root(self) -> int:
        """Machine address of the active shadow root: the value for the real CR3."""
        return self._policy.root

    @property
    def paging(self) -> GuestPaging:
        """The guest's registers as last given."""
        return self._paging

    def set_registers(self, *, cr0: int, cr3: int, cr4: int, efer: int) -> None:
        """Begin with these registers, or replace all of them; everything cached goes.

        Raises UnsupportedPaging unless they select 4-level paging.
        """
        self._enter(GuestPaging(cr0, cr3, cr4, efer))

    def on_cr3_write(self, cr3: int) -> None:
        """The guest loaded CR3."""
        old = self._paging
        self._paging = GuestPaging(old.cr0, cr3, old.cr4, old.efer)
        for walker in (self._walker, self._own_walker):
            walker.load_root(cr3)
        self._policy.cr3_written(self._paging.root_gfn)
        self._flushes.finish()

    def on_cr_write(self, number: int, value: int) -> None:
        """The guest loaded CR0, CR3 or CR4. A change that concerns paging drops everything cached.

        Raises UnsupportedPaging if it leaves 4-level paging.
        """
        if number == 3:
            self.on_cr3_write(value)
        elif number == 0:
            self._change(replace(self._paging, cr0=value))
        else:
            self._change(replace(self._paging, cr4=value))

    def on_efer_write(self, value: int) -> None:
        """The guest loaded IA32_EFER; as `on_cr_write`."""
        self._change(replace(self._paging, efer=value))

    def _change(self, paging: GuestPaging) -> None:
        old = self._paging
        if (
            (old.cr0 ^ paging.cr0) & CR0_BITS
            or (old.cr4 ^ paging.cr4) & CR4_BITS
            or (old.efer ^ paging.efer) & EFER_BITS
        ):
            self._enter(paging)
        else:
            self._paging = paging

    def _enter(self, paging: GuestPaging) -> None:
        paging.require_four_levels()
        self._paging = paging
        mode = paging_mode(paging, self._limits)
        for walker in (self._walker, self._own_walker):
            walker.configure(paging, mode)
        self._smep, self._smap = bool(paging.cr4 & _SMEP), bool(paging.cr4 & _SMAP)
        self._global_mask = mode.global_mask
        self._policy.enter(paging.root_gfn, mode)
        self._flushes.flush()

    def on_page_fault(self, va: int, error_code: int, ac: bool = False) -> FaultResult:
        """Find out what a page fault of the running guest means; repair the shadow if that is it.

        `error_code` is the processor's; `ac` is whether EFLAGS.AC was set and the access was an
        explicit one (it matters only if the guest uses SMAP).
        """
        counts = self._counts
        counts[counted.PF_TOTAL] += 1
        write = bool(error_code & _W)
        access = error_code & _ACCESS
        found = self._walker.walk(va, access | SMAP_LIFTED if ac else access)
        if isinstance(found, int):
            counts[counted.PF_GUEST] += 1
            self._forget(va)
            return GuestFault(found, va)
        device = found.level == 1 and found.gpa >> 12 in self._devices
        if found.gpa >= self._size and not device:
            counts[counted.PF_MMIO] += 1
            self._forget(va)
            return DeviceAccess(found.gpa)
        if self._reserved and va >> 39 & 511 in self._reserved:
            raise ReservedRegion(f"the guest maps {va:#x}, which its VMM has reserved for itself")
        rights = self._rights(found, write)
        done = rights != _MUST_EMULATE and self._policy.fill(va, found, rights, write)
        if self._flushes.pending:
            self._flushes.flush()
        if done:
            counts[counted.PF_FIXED] += 1
            return FILLED
        counts[counted.PF_WRITE_PROTECT] += 1
        return EmulateWrite(found.gpa)

    def _rights(self, found: GuestTranslation, write: bool) -> int:
        """Rights of the shadow leaf for a permitted access.

        Without the dirty flag no write is let through, so that the first one is seen. A supervisor
        that writes to a read-only page (guest CR0.WP = 0) gets a supervisor page, as in KVM, which
        SMEP must not make executable; under SMAP such a page would escape the check, so there the
        write is emulated.
        """
        rights = found.rights | found.entry & self._global_mask
        if not found.entry & D:
            return rights & ~RW
        if rights & RW or not write:
            return rights
        if rights & US:
            if self._smap:
                return _MUST_EMULATE
            if self._smep:
                rights |= NX
        return rights & ~US | RW

    def _forget(self, va: int) -> None:
        """A page fault drops translations of `va` (SDM vol. 3A section 4.10.4.1), so here too."""
        self._policy.forget(va)
        self._flushes.finish()

    def on_invlpg(self, va: int) -> None:
        """The guest executed INVLPG for linear address `va`."""
        self._counts[counted.INVLPG] += 1
        self._policy.forget(va)
        self._flushes.invalidate(va)

    def guest_table_written(self, gpa: int, size: int) -> None:
        """The VMM has stored `size` bytes at guest-physical `gpa` on the guest's behalf.

        To be called for every such store (emulated instructions, pushed frames, device DMA); it is
        cheap unless `gpa` lies in a traced page table.
        """
        self._policy.table_written(gpa, size)
        if self._flushes.pending:
            self._flushes.flush()

    def root_frames(self) -> set[int]:
        """Guest frames of the roots that have shadows."""
        return {page.gfn for cache in self._resources.caches for page in cache.roots()}

    def move_reserved(self, old: int, new: int) -> None:
        """The VMM's own linear addresses move from index `old` of the roots to `new`; cached translations go."""
        for cache in self._resources.caches:
            cache.move_reserved(old, new)
        self._reserved[new] = self._reserved.pop(old)
        self._flushes.flush()

    def pass_device(self, gfn: int) -> None:
        """Let the guest reach the device registers in machine frame `gfn`, at the guest frame of the same number.

        Where the guest maps them by a large page, accesses remain `DeviceAccess`.
        """
        self._devices.add(gfn)

    def watch(self, gfn: int) -> None:
        """Write-protect guest frame `gfn`: writes become `EmulateWrite`. Policies trace and unsync."""
        self._policy.watch(gfn)
        self._flushes.finish()

    def unwatch(self, gfn: int) -> None:
        """End what `watch` began; the next write makes the frame writable again."""
        self._policy.unwatch(gfn)

    def is_traced(self, gfn: int) -> bool:
        """Whether the VMM must perform writes to guest frame `gfn`."""
        return self._policy.is_traced(gfn)

    def translate(self, va: int) -> int | None:
        """Guest-physical address of `va` by the guest's tables, whatever the rights; no effects."""
        return self._own_walker.probe(va)

    def check(self) -> None:
        """Raise Inconsistent unless every shadow entry is what the policy promises; for tests."""
        self._policy.check()
