"""Why a prediction misses its row: what the model lacks, or how suite and paper differ."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase

_OLD_VMM = (
    "VMware Workstation 3.2 is a hosted VMM of 2002 for 32-bit guests; path lengths are those that "
    "ADAMS06 measured of one of 2006 for 64-bit guests, "
)
_SEQUENCE = (
    "a sequence in the translation cache costs the sum of average instructions; on NetBurst, loads "
    "wait for stores to the same word, and LAHF and SAHF take longer than others"
)
_FAULT = (
    "our IRET within the kernel is a sequence in the translation cache, which the paper's VMM may not "
    "have; passing a fault on is reasoned, not calibrated"
)
_LONG_MODE = (
    "a 64-bit guest's kernel runs at CPL 3: the hypervisor passes on each system call, fault and "
    "return, which Xen's 32-bit guests of 2003 do by gates of their own (knob pv.traps=direct)"
)
_FULL_LINUX = (
    "a fork of the paper's Linux takes 570,000 cycles natively, that of the suite's kernel a seventh: "
    "it causes several times as many faults and page-table writes"
)

_REASONS: Mapping[tuple[str, str], tuple[tuple[str, str], ...]] = {
    ("ADAMS06", "bt"): (
        (
            "*in (port*",
            "the paper's translator calls a model of the chipset from the cache; ours reads what a "
            "port without side effects would answer from a table",
        ),
        ("*call/ret*", _SEQUENCE),
        ("*cr8write*", _SEQUENCE),
        (
            "*syscall*",
            "our SYSRET is an IRET in the translation cache, where the paper's VMM is entered; passing "
            "a system call on is reasoned, not calibrated",
        ),
        ("*pgfault*", _FAULT),
        ("*divzero*", _FAULT),
        (
            "*P->NP",
            "17 cycles are no callout: the paper's VMM lets a store pass that takes a translation "
            "away; ours follows each store to a page table at once",
        ),
        (
            "*NP->P",
            "the paper's VMM does four times as much when an entry becomes present as when it stays "
            "as it is, and does not say what; ours sets one shadow entry",
        ),
        ("forkwait*", _FULL_LINUX),
        ("SPECint*", "the compute family stands for SPECint2000"),
    ),
    ("ADAMS06", "hvm-shadow"): (
        (
            "*pgfault*",
            "one path length, solved from a traced store, serves all exits; that VMM's differ by reason",
        ),
        (
            "*P->NP",
            "one path length serves all traced stores; that VMM's is shorter if it only takes away",
        ),
        (
            "*NP->P",
            "that VMM does more when an entry becomes present than its paper says; ours sets one "
            "shadow entry",
        ),
        ("forkwait*", _FULL_LINUX),
        ("SPECint*", "the compute family stands for SPECint2000"),
        ("*", "what silicon does in non-root mode without an exit is reasoned from few accesses"),
    ),
    ("XEN03", "bt"): (
        (
            "*context switch*",
            "whose translations go at each change of address space; path lengths are those of a VMM of "
            "2006 for 64-bit guests, and data caches are not modelled",
        ),
        (
            "*",
            _OLD_VMM + "in which a system call costs three times as much and a page fault a third",
        ),
    ),
    ("XEN03", "pv"): (
        (
            "*signal handle*",
            "Linux 2.4 changes IF in more places of a signal's path, which Xen's guest does by stores",
        ),
        (
            "*null call*",
            "our native kernel must exchange GS at an INT 80H, which a 32-bit one need not; under Xen "
            "ours has no GS",
        ),
        (
            "*signal install*",
            "our native kernel must exchange GS at an INT 80H, which a 32-bit one need not; under Xen "
            "ours has no GS",
        ),
        ("*context switch*", "data caches are not modelled, which a hypervisor's work displaces"),
        ("*fork*", "the process copied has the size of one measured under a later Linux"),
        ("*exec*", "the process copied has the size of one measured under a later Linux"),
        ("*", _LONG_MODE),
    ),
    ("VMWEPT09", "hvm-ept"): (
        (
            "*",
            "the paper's processes are those of a full Linux, whose native work per fork is several "
            "times that of the suite's kernel",
        ),
    ),
}
"""By source and technique: patterns of benchmarks, the first that fits, and the reason."""


def reason(source: str, benchmark: str, technique: str) -> str:
    """Why that row is missed, in one sentence; empty if there is no reason on record."""
    for pattern, text in _REASONS.get((source, technique), ()):
        if fnmatchcase(benchmark, pattern):
            return text
    return ""
