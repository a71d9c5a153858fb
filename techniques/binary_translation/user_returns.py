"""What the state page holds so that IRET and SYSRET can enter user code without the VMM.

The processor's IRET loads CS and SS from the VMM's tables at CPL 1. That is what the guest's own would
load as long as both tables agree on the two descriptors: the VMM notes the pair of selectors by which the
guest entered user code last, with the descriptors as they were when it last compared the tables, and the
sequence compares the guest's descriptors of now with those. SYSRET loads fixed segments: the VMM's table must
hold just these at the selectors that STAR gives.
"""

from __future__ import annotations

from hardware_model.executor.registers import Registers
from hardware_model.msrs import Efer, Msr
from techniques.binary_translation.layout import STATE, STATE_FIELDS
from techniques.binary_translation.translation_cache import TranslationCache
from techniques.deprivileged.descriptor_tables import DescriptorTables
from techniques.deprivileged.virtual_cpu import VirtualCpu

_WORD = {name: offset >> 3 for name, offset in STATE_FIELDS.items()}
USER_RING, _LOCAL = 3, 4
_USER_CODE, _USER_DATA = 0x00AF_FB00_0000_FFFF, 0x00CF_F300_0000_FFFF


class UserReturns:
    """Keeps the pair of user segments, and whether SYSRET's are the processor's."""

    def __init__(
        self,
        cache: TranslationCache,
        registers: Registers,
        cpu: VirtualCpu,
        tables: DescriptorTables,
    ) -> None:
        self._cache = cache
        self._words = cache.state_words
        self._registers = registers
        self._cpu = cpu
        self._tables = tables
        self._seen = -1, False
        self.sysret_asks = True

    def returned(self) -> None:
        """The VMM has performed an IRET to user code: the next such one may be done in the cache."""
        pair = self._registers.selector("cs"), self._registers.selector("ss")
        if any(selector & _LOCAL or selector & 3 != USER_RING for selector in pair):
            return
        self.follow_tables()
        base, words = self._cpu.gdtr[0], self._words
        for name, kind, selector in zip(("code", "data"), ("cs", "ss"), pair, strict=True):
            words[_WORD[f"user_{kind}"]] = selector
            words[_WORD[f"user_{name}"]] = self._tables.guest_descriptor(selector)
            words[_WORD[f"user_{name}_at"]] = base + (selector & ~7) & (1 << 64) - 1

    def follow_tables(self) -> None:
        """Translated code is about to run: the VMM's tables may have changed.

        While the TSS shows open ports, no return to user code goes without the VMM, which closes them.
        """
        seen = self._tables.version, self._tables.ports_shown
        if self._seen != seen:
            self._seen = seen
            nowhere = self._cache.region + STATE + STATE_FIELDS["user_code_at"]
            self._words[_WORD["user_code"]], self._words[_WORD["user_code_at"]] = 0, nowhere
            self.star_loaded()

    def star_loaded(self) -> None:
        """The guest wrote STAR or EFER, or the tables have changed."""
        msrs, words = self._cpu.msrs, self._words
        base = msrs[Msr.STAR] >> 48 | USER_RING
        code, data = base + 16 & 0xFFFF, base + 8 & 0xFFFF
        words[_WORD["frame_cs"]], words[_WORD["frame_ss"]] = code, data
        fixed = not base & _LOCAL and (
            self._tables.own_descriptor(code) == _USER_CODE
            and self._tables.own_descriptor(data) == _USER_DATA
        )
        self.sysret_asks = not (fixed and msrs[Msr.EFER] & Efer.SCE) or self._tables.ports_shown
