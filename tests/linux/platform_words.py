"""What a kernel says about the platform that it finds: by subject, the lines that differ between a PC and Xen."""

from __future__ import annotations

import re

SUBJECTS = {
    "the console, and the command line that names it": r"(Kernel c|C)ommand line:|printk: (legacy )?console \[",
    "the memory map, and what is counted or placed by it": (
        r"(BIOS-e820|Xen): \[mem|RAMDISK:|NODE_DATA|  node   0:|On node 0, zone DMA|Memory: |"
        r"PM: hibernation: Registered nosave|Built 1 zonelists|"
        r"(Released|Remapped) \d+ (non-RAM )?page|mapping kernel into|No NUMA|NUMA turned off"
    ),
    "firmware tables": r"ACPI",
    "the hypervisor": (
        r"about to get started|Hypervisor detected|Booting (paravirtualized )?kernel on|Xen version|"
        r"Xen PV: |p2m virtual area|VPMU|Grant table|xen:"
    ),
    "the clock": (
        r"tsc: |clocksource: |sched_clock: |Calibrating delay|installing Xen timer|cpuidle: |"
        r"rtc_cmos |platform rtc_cmos|audit: type=2000"
    ),
    "interrupt controllers and processors": (
        r"APIC|No local APIC|smpboot: |NR_IRQS|Using NULL legacy PIC|Not enabling interrupt"
    ),
    "paging: caching, large pages, isolation": (
        r"x86/PAT|MTRR|Kernel/User page tables isolation|Using GB pages|HugeTLB: |hugetlbfs: "
    ),
    "buses and devices": r"PCI|pci[_ ]|serial8250: ttyS0",
}
_PLATFORM = re.compile("|".join(f"(?:{pattern})" for pattern in SUBJECTS.values()))
_STAMP = re.compile(r"^\[ *\d+\.\d+\] ")


def lines(console: bytes) -> list[str]:
    """The console's lines without time stamps."""
    return [_STAMP.sub("", line.rstrip()) for line in console.decode().splitlines()]


def in_common(console: bytes) -> list[str]:
    """The lines that are not about the platform, in their order."""
    return [line for line in lines(console) if not _PLATFORM.match(line)]
