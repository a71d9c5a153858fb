"""The guest's paging registers, and what of them shadow tables depend on."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from hardware_model.mmu.paging import Cr0, Cr4, Efer
from techniques.shadow.entry_bits import FRAME, NX, PAT_LARGE, PS, G
from techniques.shadow.errors import UnsupportedPaging

CR0_BITS = int(Cr0.PG | Cr0.WP)
CR4_BITS = int(Cr4.PAE | Cr4.PGE | Cr4.PCIDE | Cr4.SMEP | Cr4.SMAP)
EFER_BITS = int(Efer.LMA | Efer.NXE)
_LA57 = 1 << 12
# Plain integers: operations on members of IntFlag classes take a microsecond each.
_PG, _WP, _PAE, _LMA = int(Cr0.PG), int(Cr0.WP), int(Cr4.PAE), int(Efer.LMA)
_NXE, _PGE, _SMEP, _SMAP = int(Efer.NXE), int(Cr4.PGE), int(Cr4.SMEP), int(Cr4.SMAP)


@dataclass(frozen=True, slots=True)
class GuestPaging:
    """The guest's own CR0, CR3, CR4 and EFER."""

    cr0: int
    cr3: int
    cr4: int
    efer: int

    @property
    def root_gfn(self) -> int:
        """Guest frame number of the root table."""
        return (self.cr3 & FRAME) >> 12

    def require_four_levels(self) -> None:
        """Raise UnsupportedPaging unless this is 4-level paging (SDM vol. 3A section 4.1.1)."""
        if not (self.cr0 & _PG and self.cr4 & _PAE and self.efer & _LMA):
            raise UnsupportedPaging(
                "shadow paging needs 4-level paging in long mode, but the guest has "
                f"CR0={self.cr0:#x}, CR4={self.cr4:#x}, EFER={self.efer:#x}"
            )
        if self.cr4 & _LA57:
            raise UnsupportedPaging("shadow paging knows no 5-level paging (CR4.LA57 = 1)")


@dataclass(frozen=True, slots=True)
class ProcessorLimits:
    """What the guest's CPUID says: width of physical addresses in bits; 1 GiB pages."""

    maxphyaddr: int = 40
    one_gib_pages: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class PagingMode:
    """The control bits that make shadow tables of one guest table differ; part of a page's key.

    `reserved_table[level]` and `reserved_large[level]` (levels 1 to 4) are the reserved bits of
    present entries without and with PS; `global_mask` is G if CR4.PGE is set.
    """

    role: int
    global_mask: int
    reserved_table: tuple[int, int, int, int, int]
    reserved_large: tuple[int, int, int, int, int]


def paging_mode(paging: GuestPaging, limits: ProcessorLimits) -> PagingMode:
    """The mode that `paging` selects. SMEP and SMAP count only without CR0.WP, as in KVM's roles.

    With WP set the processor itself enforces both on shadow entries; without, they decide how a
    supervisor's write to a read-only user page is shadowed.
    """
    wp = bool(paging.cr0 & _WP)
    return _mode(
        wp,
        bool(paging.efer & _NXE),
        bool(paging.cr4 & _PGE),
        bool(not wp and paging.cr4 & _SMEP),
        bool(not wp and paging.cr4 & _SMAP),
        limits,
    )


@lru_cache
def _mode(
    wp: bool, nxe: bool, pge: bool, smep: bool, smap: bool, limits: ProcessorLimits
) -> PagingMode:
    always = FRAME & ~((1 << limits.maxphyaddr) - 1) | (0 if nxe else NX)
    below_1g, below_2m = ((1 << shift) - 1 & FRAME & ~PAT_LARGE for shift in (30, 21))
    huge = 0 if limits.one_gib_pages else PS
    return PagingMode(
        role=wp | nxe << 1 | pge << 2 | smep << 3 | smap << 4,
        global_mask=G if pge else 0,
        reserved_table=(0, always, always, always, always | PS),
        reserved_large=(0, always, always | below_2m, always | below_1g | huge, always | PS),
    )
