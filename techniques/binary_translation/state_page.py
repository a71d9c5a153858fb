"""The virtual CPU's state page: what translated code reads and writes without the VMM."""

from __future__ import annotations

from techniques.binary_translation.layout import STATE_FIELDS
from techniques.binary_translation.translation_cache import TranslationCache
from techniques.deprivileged.platform import DeprivilegedPlatform
from techniques.deprivileged.virtual_cpu import IF, VirtualCpu

_INTERRUPTS, _IOPL = STATE_FIELDS["interrupts"], STATE_FIELDS["iopl"]
_CR8 = STATE_FIELDS["cr8"]
_MASK = (1 << 64) - 1


class StatePage:
    """Moves the virtual CPU's registers between the VMM and the state page."""

    def __init__(
        self, cache: TranslationCache, cpu: VirtualCpu, platform: DeprivilegedPlatform
    ) -> None:
        self._cache = cache
        self._cpu = cpu
        self._platform = platform
        self._held: dict[str, int] = {}

    def load(self) -> None:
        """Translated code was left: take what it may have changed."""
        self._held["interrupts"] = added = self._cache.read_state(_INTERRUPTS)
        self._held["iopl"] = iopl = self._cache.read_state(_IOPL)
        self._cpu.interrupts = not added
        self._cpu.iopl = iopl >> 12 & 3
        priority = self._cache.read_state(_CR8)
        if priority != self._held.get("cr8"):
            self._held["cr8"] = priority
            self._platform.apic.task_priority = priority << 4

    def store(self) -> None:
        """Translated code is about to run: give it the virtual CPU's registers."""
        cpu = self._cpu
        wanted = {
            "interrupts": 0 if cpu.interrupts else -IF & _MASK,
            "iopl": cpu.iopl << 12,
            "pending": int(self._platform.apic.deliverable),
            "requests": self._platform.apic.pending_class,
            "cr0": cpu.control[0],
            "cr2": cpu.control[2],
            "cr3": cpu.control[3],
            "cr4": cpu.control[4],
            "cr8": self._platform.apic.task_priority >> 4,
            "cs": cpu.selector("cs"),
            "ss": cpu.selector("ss"),
        }
        self._write(wanted)

    def store_tables(self) -> None:
        """The guest has loaded a descriptor-table register."""
        cpu = self._cpu
        (gdt_base, gdt_limit), (idt_base, idt_limit) = cpu.gdtr, cpu.idtr
        self._write(
            {
                "gdt_base": gdt_base,
                "gdt_limit": gdt_limit,
                "idt_base": idt_base,
                "idt_limit": idt_limit,
                "ldtr": cpu.ldtr.selector,
                "tr": cpu.tr.selector,
            }
        )

    def _write(self, wanted: dict[str, int]) -> None:
        held = self._held
        for name, value in wanted.items():
            if held.get(name) != value:
                held[name] = value
                self._cache.write_state(STATE_FIELDS[name], value)

    def saved(self, number: int) -> int:
        """General register `number` as translated code saved it."""
        return self._cache.read_state(8 * number)
