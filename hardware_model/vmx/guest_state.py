"""Guest-state fields of the VMCS and the registers they stand for.

While a VMCS is current its guest state lives in the processor: VMREAD and VMWRITE go there, as an
implementation that caches the VMCS on the chip does (SDM vol. 3C 24.11.1).
"""

from __future__ import annotations

from collections.abc import Callable

from hardware_model.executor import words as W
from hardware_model.executor.engine import Engine
from hardware_model.executor.registers import Registers, Segment
from hardware_model.mmu.state import Word
from hardware_model.vmx.fields import Field
from hardware_model.vmx.interruption import Interruptibility
from hardware_model.vmx.segments import CS, DS, ES, FS, GS, LDTR, SS, TR, UNUSABLE

Getter = Callable[[Registers], int]
Setter = Callable[[Engine, int], None]
_VPID = int(Word.VPID)
_AVAILABLE_TSS, _BUSY = 0x09, 0x02
_NMI = int(Interruptibility.BLOCKING_BY_NMI)
_STI = int(Interruptibility.BLOCKING_BY_STI)
_MOV_SS = int(Interruptibility.BLOCKING_BY_MOV_SS)


def access_rights(segment: Segment, *, system: bool) -> int:
    """VMX access rights of a cached segment (SDM vol. 3C table 24-2)."""
    rights = segment.flags >> 8 & 0xF0FF
    if system and rights & 0x1F == _AVAILABLE_TSS:
        rights |= _BUSY  # LTR marks the register's copy busy too; the engine marks memory alone
    unusable = not rights & 0x80 if system else not segment.selector & 0xFFFC and not rights & 0x80
    return rights | (UNUSABLE if unusable else 0)


def interruptibility(registers: Registers) -> int:
    """Blocking by NMI, and the shadow of STI or MOV SS."""
    nmi = _NMI if registers.nmi_blocked else 0
    if not registers.sti_shadow:
        return nmi
    return nmi | (_MOV_SS if registers.mov_ss_shadow else _STI)


def _set_rip(engine: Engine, value: int) -> None:
    engine.registers.rip = value


def _set_rsp(engine: Engine, value: int) -> None:
    engine.registers.gpr[4] = value


def _set_rflags(engine: Engine, value: int) -> None:
    engine.registers.rflags = value


def _set_cr3(engine: Engine, value: int) -> None:
    """Without VPIDs the exit has emptied the TLB. With them translations of the old CR3 are still in the engine's."""
    engine.registers.store_cr3(value)
    if engine.mmu[_VPID]:
        engine.flush_tlb()


def _set_efer(engine: Engine, value: int) -> None:
    engine.registers.efer = value
    engine.flush_tlb()


def _set_interruptibility(engine: Engine, value: int) -> None:
    engine.registers.mov_ss_shadow = bool(value & _MOV_SS)
    engine.registers.sti_shadow = bool(value & (_STI | _MOV_SS))
    until_iret = engine.words[W.NMI_RULE] != W.NmiRule.EXITS
    engine.registers.block_nmis(bool(value & _NMI), until_iret=until_iret)


GETTERS: dict[int, Getter] = {
    Field.GUEST_RIP: lambda r: r.rip,
    Field.GUEST_RSP: lambda r: int(r.gpr[4]),
    Field.GUEST_RFLAGS: lambda r: r.rflags,
    Field.GUEST_CR0: lambda r: r.cr(0),
    Field.GUEST_CR3: lambda r: r.cr(3),
    Field.GUEST_CR4: lambda r: r.cr(4),
    Field.GUEST_DR7: lambda r: r.dr(7),
    Field.GUEST_IA32_EFER: lambda r: r.efer,
    Field.GUEST_INTERRUPTIBILITY_STATE: interruptibility,
    Field.GUEST_GDTR_BASE: lambda r: r.table("gdtr")[0],
    Field.GUEST_GDTR_LIMIT: lambda r: r.table("gdtr")[1],
    Field.GUEST_IDTR_BASE: lambda r: r.table("idtr")[0],
    Field.GUEST_IDTR_LIMIT: lambda r: r.table("idtr")[1],
}
SETTERS: dict[int, Setter] = {
    Field.GUEST_RIP: _set_rip,
    Field.GUEST_RSP: _set_rsp,
    Field.GUEST_RFLAGS: _set_rflags,
    Field.GUEST_CR0: lambda e, v: e.set_cr(0, v),
    Field.GUEST_CR3: _set_cr3,
    Field.GUEST_CR4: lambda e, v: e.set_cr(4, v),
    Field.GUEST_DR7: lambda e, v: e.registers.set_dr(7, v),
    Field.GUEST_IA32_EFER: _set_efer,
    Field.GUEST_INTERRUPTIBILITY_STATE: _set_interruptibility,
    Field.GUEST_GDTR_BASE: lambda e, v: e.registers.set_table(
        "gdtr", v, e.registers.table("gdtr")[1]
    ),
    Field.GUEST_GDTR_LIMIT: lambda e, v: e.registers.set_table(
        "gdtr", e.registers.table("gdtr")[0], v
    ),
    Field.GUEST_IDTR_BASE: lambda e, v: e.registers.set_table(
        "idtr", v, e.registers.table("idtr")[1]
    ),
    Field.GUEST_IDTR_LIMIT: lambda e, v: e.registers.set_table(
        "idtr", e.registers.table("idtr")[0], v
    ),
}


def _add_segment(name: str, fields: tuple[Field, Field, Field, Field], *, system: bool) -> None:
    selector, base, limit, rights = fields

    def replace(engine: Engine, **change: int) -> None:
        engine.registers.set_segment(name, engine.registers.segment(name)._replace(**change))

    def set_rights(engine: Engine, value: int) -> None:
        flags = 0 if value & UNUSABLE else (value & 0xF0FF) << 8
        replace(engine, flags=flags)
        if name == "ss":
            engine.registers.cpl = value >> 5 & 3

    GETTERS[selector] = lambda r: r.segment(name).selector
    GETTERS[base] = lambda r: r.segment(name).base
    GETTERS[limit] = lambda r: r.segment(name).limit
    GETTERS[rights] = lambda r: access_rights(r.segment(name), system=system)
    SETTERS[selector] = lambda e, v: replace(e, selector=v)
    SETTERS[base] = lambda e, v: replace(e, base=v)
    SETTERS[limit] = lambda e, v: replace(e, limit=v)
    SETTERS[rights] = set_rights


for _segment in (ES, CS, SS, DS, FS, GS, LDTR, TR):
    _add_segment(
        "ldtr" if _segment is LDTR else "tr" if _segment is TR else _segment.name,
        (_segment.selector, _segment.base, _segment.limit, _segment.access_rights),
        system=_segment in (LDTR, TR),
    )
