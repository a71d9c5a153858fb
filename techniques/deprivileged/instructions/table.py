"""Which function emulates which instruction."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from iced_x86 import Code, Instruction, Mnemonic

from techniques.deprivileged.instructions import (
    control_registers,
    descriptor_tables,
    flags_and_waiting,
    machine_state,
    ports,
    segments,
)

if TYPE_CHECKING:
    from techniques.deprivileged.vmm import DeprivilegingVmm

Handler = Callable[["DeprivilegingVmm", Instruction], None]
M = Mnemonic

_BY_MNEMONIC: dict[int, Handler] = {
    M.CLI: flags_and_waiting.cli,
    M.STI: flags_and_waiting.sti,
    M.CLAC: flags_and_waiting.alignment_check,
    M.STAC: flags_and_waiting.alignment_check,
    M.HLT: flags_and_waiting.hlt,
    M.CLTS: control_registers.clts,
    M.LMSW: control_registers.lmsw,
    M.LGDT: descriptor_tables.lgdt,
    M.LIDT: descriptor_tables.lidt,
    M.LLDT: descriptor_tables.lldt,
    M.LTR: descriptor_tables.ltr,
    M.RDMSR: machine_state.rdmsr,
    M.WRMSR: machine_state.wrmsr,
    M.SWAPGS: machine_state.swapgs,
    M.RDTSC: machine_state.rdtsc,
    M.RDTSCP: machine_state.rdtscp,
    M.RDPMC: machine_state.no_counters,
    M.INVLPG: machine_state.invlpg,
    M.INVD: machine_state.no_caches,
    M.WBINVD: machine_state.no_caches,
    M.IN: ports.port_in,
    M.OUT: ports.port_out,
    M.LSS: segments.far_load,
    M.LFS: segments.far_load,
    M.LGS: segments.far_load,
    M.RETF: segments.far_return,
    M.IRET: segments.iret,
    M.IRETD: segments.iret,
    M.IRETQ: segments.iret,
    M.SYSRET: segments.sysret,
    M.SYSRETQ: segments.sysret,
}
_ABSENT = (
    M.VMRUN, M.VMLOAD, M.VMSAVE, M.STGI, M.CLGI, M.SKINIT, M.INVLPGA, M.XSETBV, M.SYSEXIT, M.SYSEXITQ,
)  # fmt: skip
_STRINGS = (M.INSB, M.INSW, M.INSD, M.OUTSB, M.OUTSW, M.OUTSD)


def _codes(handler: Handler, names: Iterable[str]) -> dict[int, Handler]:
    return {getattr(Code, name): handler for name in names}


_BY_CODE: dict[int, Handler] = {
    **_codes(control_registers.mov, ("MOV_CR_R64", "MOV_R64_CR", "MOV_DR_R64", "MOV_R64_DR")),
    **_codes(segments.mov, ("MOV_SREG_RM16", "MOV_SREG_R32M16", "MOV_SREG_R64M16")),
    **_codes(segments.pop, ("POPQ_FS", "POPQ_GS", "POPW_FS", "POPW_GS")),
    **_codes(segments.far_jump, ("JMP_M1616", "JMP_M1632", "JMP_M1664")),
    **_codes(segments.far_call, ("CALL_M1616", "CALL_M1632", "CALL_M1664")),
}


def _by_code() -> dict[int, Handler]:
    handlers = dict(_BY_MNEMONIC)
    handlers.update(dict.fromkeys(_ABSENT, machine_state.absent))
    handlers.update(dict.fromkeys(_STRINGS, ports.string))
    codes: list[int] = [value for name, value in vars(Code).items() if name.isupper()]
    table = {code: handlers[m] for code in codes if (m := _mnemonic(code)) in handlers}
    return table | _BY_CODE


def _mnemonic(code: int) -> int:
    instruction = Instruction()
    instruction.code = code  # type: ignore[assignment]
    return int(instruction.mnemonic)


HANDLERS: dict[int, Handler] = _by_code()
"""By iced-x86 code; an instruction that is not here means the same at CPL 1 and at CPL 0, or faults."""
