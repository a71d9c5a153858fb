"""The virtual CPU's state page: what translated code reads and writes without the VMM."""

from __future__ import annotations

from hardware_model.executor.registers import Registers
from techniques.binary_translation.layout import STATE_FIELDS
from techniques.binary_translation.translation_cache import TranslationCache
from techniques.binary_translation.unit import Mark
from techniques.binary_translation.user_returns import UserReturns
from techniques.deprivileged.platform import DeprivilegedPlatform
from techniques.deprivileged.virtual_cpu import IF, VirtualCpu

_MASK = (1 << 64) - 1
_ARITHMETIC = 0x8D5
_WORD = {name: offset >> 3 for name, offset in STATE_FIELDS.items()}
_LOADED = tuple(_WORD[name] for name in ("interrupts", "iopl", "cr8", "cr2"))
_INTERRUPTS, _IOPL, _CR8, _CR2 = _LOADED
_FENCE = tuple(_WORD[name] for name in ("fence", "fence_fs", "fence_gs"))
_STORED = (
    *_LOADED,
    *(
        _WORD[name]
        for name in (
            "pending",
            "requests",
            "cr0",
            "cr3",
            "cr4",
            "cs",
            "ss",
            "iret_asks",
            "sysret_asks",
        )
    ),
)


def _flags_in_rax(rax: int, rflags: int) -> int:
    """`rflags` with the arithmetic flags that LAHF and SETO AL have left in RAX."""
    return rflags & ~_ARITHMETIC | rax >> 8 & 0xD5 | (rax & 1) << 11


class StatePage:
    """Moves the virtual CPU's registers between the VMM and the state page."""

    def __init__(
        self,
        cache: TranslationCache,
        registers: Registers,
        cpu: VirtualCpu,
        platform: DeprivilegedPlatform,
        returns: UserReturns,
    ) -> None:
        self._registers = registers
        self._words = cache.state_words
        self._cpu = cpu
        self._platform = platform
        self._returns = returns
        self._held: tuple[int, ...] = ()
        self._fence = -1, 0, 0

    def load(self) -> None:
        """Translated code was left: take what it may have changed."""
        words = self._words
        interrupts, iopl, priority = words[_INTERRUPTS], words[_IOPL], words[_CR8] & 15
        self._cpu.control[2] = address = words[_CR2]
        self._cpu.interrupts = not interrupts
        self._cpu.iopl = iopl >> 12 & 3
        if self._held and priority != self._held[2]:
            self._platform.apic.task_priority = priority << 4
        self._held = (interrupts, iopl, priority, address, *self._held[4:])

    def store(self) -> None:
        """Translated code is about to run, the guest at its CPL 0: give it the virtual CPU's registers."""
        cpu, apic, registers = self._cpu, self._platform.apic, self._registers
        control, requests, priority = cpu.control, apic.pending_class, apic.task_priority >> 4
        waits = requests > priority
        self._returns.follow_tables()
        asks = int(waits or registers.nested_task)
        wanted = (
            0 if cpu.interrupts else -IF & _MASK,
            cpu.iopl << 12,
            priority,
            control[2],
            int(waits),
            requests,
            control[0],
            control[3],
            control[4],
            registers.selector("cs") & ~3,
            registers.selector("ss") & ~3,
            asks,
            asks | self._returns.sysret_asks,
        )
        if wanted != self._held:
            self._held = wanted
            for word, value in zip(_STORED, wanted, strict=True):
                self._words[word] = value

    def store_tables(self) -> None:
        """The guest has loaded a descriptor-table register."""
        cpu = self._cpu
        words = self._words
        words[_WORD["gdt_base"]], words[_WORD["gdt_limit"]] = cpu.gdtr
        words[_WORD["idt_base"]], words[_WORD["idt_limit"]] = cpu.idtr
        words[_WORD["ldt_base"]], words[_WORD["ldt_limit"]] = cpu.ldtr.base, cpu.ldtr.limit
        words[_WORD["ldtr"]], words[_WORD["tr"]] = cpu.ldtr.selector, cpu.tr.selector

    def store_fence(self, end: int) -> None:
        """The VMM's slot ends at `end`, or the guest may have loaded FS or GS."""
        words, base = self._words, self._registers.segment_base
        fence = end, base("fs"), base("gs")
        if fence != self._fence:
            self._fence = fence
            for name, value in zip(_FENCE, (0, *fence[1:]), strict=True):
                words[name] = value - end & _MASK

    def save(self, number: int, value: int) -> None:
        """Put general register `number` where translated code would have saved it."""
        self._words[number] = value

    def saved(self, number: int) -> int:
        """General register `number` as translated code saved it."""
        word: int = self._words[number]
        return word


def restore(registers: Registers, page: StatePage, mark: Mark) -> None:
    """Give the guest its own registers back where translated code stands at `mark`."""
    rip = mark.rip
    if rip is None:
        rip = registers.gpr[1] - mark.bias & _MASK
    registers.rip = rip
    if mark.flags_in_rax:
        registers.rflags = _flags_in_rax(int(registers.gpr[0]), registers.rflags)
    for number in mark.saved:
        registers.gpr[number] = page.saved(number)
    registers.sti_shadow = mark.shadow
