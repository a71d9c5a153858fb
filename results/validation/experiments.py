"""Which published benchmark is which workload, declared: preset, quantity, and what differs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

Quantity = Literal["cycles", "latency", "times native", "gain"]


@dataclass(frozen=True, slots=True)
class Experiment:
    """How the suite predicts a benchmark.

    `quantity` is what is compared:

    - cycles: of one operation;
    - latency: the published native time, and what the technique adds to one operation at the
      published `clock` (hertz), times the `count` of operations that the figure is for. The suite's
      kernel stands for the paper's in the events that an operation causes, not in the work between
      them;
    - times native: cycles over native;
    - gain: in % over hvm-shadow.

    An operation is `events` of the native cell's cost `operation`; `less` is a workload whose
    operation is subtracted, as the paper's benchmark subtracts its own overhead. With several
    `workloads` the largest gain, or else the geometric mean counts. `on_linux` is the workload of the
    family linux that is the same benchmark on a real kernel; a folder's cells of it are preferred.
    """

    workloads: tuple[str, ...]
    preset: str
    quantity: Quantity
    operation: str = ""
    events: float = 1
    clock: float = 0.0
    count: int = 1
    less: str = ""
    on_linux: str = ""

    def alternatives(self) -> Iterator[Experiment]:
        """The experiment on Linux, if there is one, and on the suite's own kernel."""
        if self.on_linux:
            yield replace(self, workloads=(self.on_linux,), on_linux="")
        yield self


_COMPUTE = (*("matrix-product", "quicksort", "sha-256", "sieve", "recursive-calls", "string-copy"),)
_ADAMS_HERTZ, _XEN_HERTZ = 3.8e9, 2.4e9
_CALLS_OF_A_FORK, _CALLS_OF_AN_EXEC = 3, 5
"""fork, wait and exit; exec and mmap besides."""


def _nano(name: str, operation: str) -> Experiment:
    return Experiment((f"nano/{name}",), "prescott", "cycles", operation)


def _lmbench(name: str, operation: str, events: float, less: str = "") -> Experiment:
    workload = (f"kernel/{name}",)
    return Experiment(workload, "prescott", "latency", operation, events, _XEN_HERTZ, less=less)


_ADAMS: Mapping[str, Experiment] = {
    "nanobench syscall (syscall+sysret round trip)": _nano("syscall", "insn.syscall"),
    "nanobench in (port 0x80)": _nano("in", "insn.in"),
    "nanobench cr8write": _nano("cr8wr", "insn.mov_to_cr8"),
    "nanobench call/ret pair": _nano("callret", "insn.call"),
    "nanobench pgfault (true fault)": _nano("pgfault", "delivery.exception"),
    "nanobench divzero": _nano("divzero", "delivery.exception"),
    "nanobench ptemod P->NP": _nano("ptemod-p-to-np", "insn.store"),
    "nanobench ptemod NP->P": _nano("ptemod-np-to-p", "insn.store"),
    "forkwait (40000 iterations)": Experiment(
        ("kernel/fork-wait@process",),
        "prescott",
        "latency",
        "insn.syscall",
        _CALLS_OF_A_FORK,
        _ADAMS_HERTZ,
        40000,
        on_linux="linux/fork-wait@process",
    ),
    "SPECint2000 average slowdown": Experiment(
        tuple(f"compute/{name}" for name in _COMPUTE), "prescott", "times native"
    ),
}

_XEN03: Mapping[str, Experiment] = {
    "lmbench null call": _lmbench("gate-call", "delivery.exception", 1),
    "lmbench signal install": _lmbench("gate-call@install", "delivery.exception", 1),
    "lmbench signal handle": _lmbench("gate-call@signal", "delivery.exception", 2),
    "lmbench fork proc": _lmbench("fork-wait@process", "insn.syscall", _CALLS_OF_A_FORK),
    "lmbench exec proc": _lmbench("fork-exec", "insn.syscall", _CALLS_OF_AN_EXEC),
    "lmbench mmap latency": _lmbench("mmap-munmap@8m", "insn.syscall", 2),
    "lmbench prot fault": _lmbench("protection-fault", "delivery.exception", 1),
    "lmbench page fault": _lmbench("page-fault", "delivery.exception", 1),
    **{
        f"lmbench context switch {processes}p/{size}K": _lmbench(
            "context-switch" + ("" if (processes, size) == (2, 0) else f"@{processes}p{size}k"),
            "insn.syscall",
            2,
            f"kernel/context-switch@1p{size}k",
        )
        for processes, size in ((2, 0), (2, 16), (2, 64), (8, 16), (8, 64), (16, 16), (16, 64))
    },
}

_VMWEPT09: Mapping[str, Experiment] = {
    "MMU-intensive microbenchmarks, EPT gain over shadow paging (up to)": Experiment(
        (
            *("kernel/fork-wait@process", "kernel/fork-exec", "kernel/protection-fault"),
            "kernel/context-switch",
        ),
        "nehalem",
        "gain",
    ),
}

KNOBS: Mapping[tuple[str, str], str] = {
    ("ADAMS06", "bt"): '{"bt.fence":"none"}',
    ("XEN03", "bt"): '{"bt.fence":"none","shadow.policy":"virtual-tlb"}',
    ("XEN03", "pv"): '{"pv.traps":"direct"}',
}
"""Knobs with which a technique is more like the paper's, by source and technique.

VMware's translators of these years kept 32-bit guests out of their own part of the address space by segment
limits, which cost no instruction (Bugnion et al., TOCS 2012). VMware Workstation 3.2 of 2002 kept translations of one
address space only; US patent 8,095,771, of priority 2005, describes the cache of several that came later. Xen of 2003
ran 32-bit guests, whose system calls and faults enter their kernel by a gate. Where a folder has no such cell, the
one with default knobs stands in.
"""

EXPERIMENTS: Mapping[str, Mapping[str, Experiment]] = {
    "ADAMS06": _ADAMS,
    "XEN03": _XEN03,
    "VMWEPT09": _VMWEPT09,
}
"""By source and benchmark."""

_NO_TRACE = "the memory trace of that server benchmark is not public"
_AMD = "there is no preset of an AMD processor"

CANNOT_RUN: Mapping[str, Mapping[str, str]] = {
    "ADAMS06": {
        "Linux kernel compile (make -j8 bzImage 2.6.11)": "needs a distribution's userland in the guest",
        "PassMark Large RAM": "a commercial benchmark on Windows",
    },
    "BHARGAVA08": dict.fromkeys(
        ("MiscServer", "WebServer", "JavaServer", "IntCpu", "FpCpu"), f"{_NO_TRACE}, and {_AMD}"
    ),
    "VMWEPT09": {
        "MMU-intensive benchmarks, EPT gain over shadow paging (up to)": "the applications are not named"
    },
    "VMWRVI08": {
        "MMU-intensive benchmarks, RVI gain over software MMU (up to)": _AMD,
        "MMU-intensive microbenchmarks, RVI gain over software MMU (up to)": _AMD,
    },
}
"""By source and benchmark, why the suite does not run it."""
