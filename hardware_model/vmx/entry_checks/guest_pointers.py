"""Checks on the VMCS link pointer and the PAE PDPTEs (SDM vol. 3C 26.3.1.5 and 26.3.1.6)."""

from __future__ import annotations

from hardware_model.vmx.controls import Secondary
from hardware_model.vmx.entry_checks.predicates import (
    CR0_PG,
    CR4_PAE,
    PRIMARY,
    ia32e_guest,
    is_page_address,
    secondary,
)
from hardware_model.vmx.entry_checks.rule import MemoryReader, RuleTable, Stage
from hardware_model.vmx.fields import Field
from hardware_model.vmx.vmcs import Vmcs

_LINK = Field.VMCS_LINK_POINTER
_NO_LINK = (1 << 64) - 1
_BAD_PDPTE, _BAD_LINK = 2, 4
"""Exit qualifications of a failed entry (26.7)."""

_PAGING = (
    Field.GUEST_CR0,
    Field.GUEST_CR4,
    Field.ENTRY_CONTROLS,
    PRIMARY,
    Field.SECONDARY_CONTROLS,
)
_PDPTES = (Field.GUEST_PDPTE0, Field.GUEST_PDPTE1, Field.GUEST_PDPTE2, Field.GUEST_PDPTE3)
_PDPT_ADDRESS = 0xFFFF_FFE0
_PDPTE_PRESENT = 1
_PDPTE_RESERVED = 0x1E6

GUEST_POINTERS = RuleTable(Stage.GUEST)
_rule = GUEST_POINTERS.rule


@_rule("26.3.1.5", _LINK, qualification=_BAD_LINK)
def link_pointer_is_a_page(v: Vmcs) -> bool:
    """the pointer must be all ones or a 4-KByte-aligned physical address"""
    pointer = v.load(_LINK)
    return pointer == _NO_LINK or is_page_address(pointer, v.capabilities.physical_address_bits)


@GUEST_POINTERS.memory_rule("26.3.1.5", _LINK, qualification=_BAD_LINK)
def link_pointer_names_a_vmcs(v: Vmcs, memory: MemoryReader) -> bool:
    """the linked region must begin with the processor's VMCS revision identifier"""
    pointer = v.load(_LINK)
    return pointer == _NO_LINK or memory(pointer) & 0xFFFF_FFFF == v.capabilities.revision


def _pae_paging(v: Vmcs) -> bool:
    if ia32e_guest(v) or not v.load(Field.GUEST_CR0) & CR0_PG:
        return False
    return bool(v.load(Field.GUEST_CR4) & CR4_PAE)


def _is_pdpte(v: Vmcs, entry: int) -> bool:
    reserved = entry & _PDPTE_RESERVED or entry >> v.capabilities.physical_address_bits
    return not entry & _PDPTE_PRESENT or not reserved


@_rule("26.3.1.6", *_PDPTES, *_PAGING, qualification=_BAD_PDPTE)
def pdptes_are_valid_under_ept(v: Vmcs) -> bool:
    """a present PDPTE field must have no reserved bit set under PAE paging with EPT"""
    if not _pae_paging(v) or not secondary(v, Secondary.ENABLE_EPT):
        return True
    return all(_is_pdpte(v, v.load(field)) for field in _PDPTES)


@GUEST_POINTERS.memory_rule("26.3.1.6", Field.GUEST_CR3, *_PAGING, qualification=_BAD_PDPTE)
def pdptes_in_memory_are_valid(v: Vmcs, memory: MemoryReader) -> bool:
    """a present PDPTE must have no reserved bit set under PAE paging without EPT"""
    if not _pae_paging(v) or secondary(v, Secondary.ENABLE_EPT):
        return True
    table = v.load(Field.GUEST_CR3) & _PDPT_ADDRESS
    return all(_is_pdpte(v, memory(table + 8 * index)) for index in range(4))
