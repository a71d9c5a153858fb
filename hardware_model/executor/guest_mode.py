"""Entry into the engine's own guest mode, whose intercepts are the trap hardware of the model.

The engine's guest mode is AMD's SVM. A `vmrun` stub and a control block in private memory above the
modelled RAM turn it on at power-on; it stays on. The engine never leaves it: each intercept comes
to the interrupt hook with the guest's state live.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import unicorn

from hardware_model.executor import layout as L
from hardware_model.executor import words as W

if TYPE_CHECKING:
    from hardware_model.executor.engine import Engine

PRIVATE_BYTES = 0x10000
_VMCB, _HSAVE, _MSR_MAP, _IO_MAP, _STUB = 0x0000, 0x1000, 0x2000, 0x4000, 0x8000
_EFER, _VM_HSAVE_PA = 0xC0000080, 0xC0010117
_EFER_VALUE = 0x1D01  # SVME NXE LMA LME SCE
_CODE64, _DATA = 0xA9B, 0xC93

I = W.Intercept
ALWAYS = (
    I.INTR, I.NMI, I.VINTR, I.RDTSC, I.RDTSCP, I.RDPMC, I.CPUID, I.INVD, I.HLT, I.INVLPG, I.INVLPGA, I.MSR, I.SHUTDOWN,
    I.VMRUN, I.VMMCALL, I.VMLOAD, I.VMSAVE, I.STGI, I.CLGI, I.SKINIT, I.WBINVD, I.MONITOR, I.MWAIT, I.XSETBV,
)  # fmt: skip
ALL_EXCEPTIONS = 0xFFFFFFFF
CR_READS, CR_WRITES = 1 << 8, 1 << 0 | 1 << 3 | 1 << 4 | 1 << 8


class GuestMode:
    """The engine's intercepts: which instructions come to the event layer."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._base = engine.ram_bytes

    def enter(self) -> None:
        """Turn guest mode on; afterwards the processor stands before its first instruction."""
        uc = self._engine._uc
        self._build_control_block()
        uc.msr_write(_EFER, _EFER_VALUE)
        uc.msr_write(_VM_HSAVE_PA, self._base + _HSAVE)
        uc.reg_write(unicorn.x86_const.UC_X86_REG_RAX, self._base + _VMCB)
        self._put(_STUB, b"\x0f\x01\xd8")  # vmrun
        self._put(_STUB + 0x10, b"\xf4")  # hlt: the first guest instruction, intercepted
        self._engine.registers.rip = self._base + _STUB
        self._engine.run(lambda kind: 0)
        self.set_intercepts(())
        self._engine.registers.set_general({})

    def set_intercepts(
        self, instructions: tuple[I, ...], cr_reads: int = 0, dr: bool = False
    ) -> None:
        """Intercept `instructions` and reads of the control registers in mask `cr_reads`, besides
        what is always intercepted.
        """
        env = self._engine.registers
        d = env._d
        mask = 0
        for code in (*ALWAYS, *instructions):
            mask |= 1 << (code - I.INTR)
        env._q[L.ENV_INTERCEPT // 8] = mask
        d[L.ENV_INTERCEPT_CR_READ // 4] = (CR_READS | cr_reads) | CR_WRITES << 16
        d[L.ENV_INTERCEPT_DR_READ // 4] = 0xFFFFFFFF if dr else 0
        d[L.ENV_INTERCEPT_EXCEPTIONS // 4] = ALL_EXCEPTIONS

    def _put(self, offset: int, data: bytes) -> None:
        at = self._base + offset
        self._engine._all[at : at + len(data)] = list(data)

    def _build_control_block(self) -> None:
        put = self._put
        put(_MSR_MAP, b"\xff" * 0x2000)
        put(_IO_MAP, b"\xff" * 0x3000)
        put(0x08, struct.pack("<I", ALL_EXCEPTIONS))
        put(0x0C, struct.pack("<Q", sum(1 << (code - I.INTR) for code in ALWAYS)))
        put(0x40, struct.pack("<QQ", self._base + _IO_MAP, self._base + _MSR_MAP))
        put(0x58, struct.pack("<I", 1))  # address-space identifier: must not be 0
        for segment, attributes in ((0, _DATA), (1, _CODE64), (2, _DATA), (3, _DATA)):
            put(0x400 + 16 * segment, struct.pack("<HHIQ", 0x10, attributes, 0xFFFFFFFF, 0))
        put(0x4D0, struct.pack("<Q", _EFER_VALUE))
        put(0x548, struct.pack("<QQQQQ", 0x6A0, 0, 0x80010033, 0x400, 0xFFFF0FF0))
        put(0x570, struct.pack("<QQ", 2, self._base + _STUB + 0x10))
