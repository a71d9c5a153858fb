"""Which published benchmark is which workload, declared: preset, quantity, and what differs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Quantity = Literal["cycles", "times native", "gain"]


@dataclass(frozen=True, slots=True)
class Experiment:
    """How the suite predicts a benchmark.

    `quantity` is what is compared: cycles of one operation (an event of the native cell's cost
    `operation`), cycles over native, or the gain in % over hvm-shadow. With several `workloads` the
    largest gain, or else the geometric mean counts. `differs` says how suite and paper differ.
    """

    workloads: tuple[str, ...]
    preset: str
    quantity: Quantity
    operation: str = ""
    differs: str = ""


def _nano(name: str, operation: str, differs: str = "") -> Experiment:
    return Experiment((f"nano/{name}",), "prescott", "cycles", operation, differs)


def _kernel(name: str, differs: str = "") -> Experiment:
    return Experiment((f"kernel/{name}",), "prescott", "times native", "", differs)


_NON_ROOT = "no event of non-root mode is dearer in the model than the same event without VMX"

_ADAMS: Mapping[str, Experiment] = {
    "nanobench syscall (syscall+sysret round trip)": _nano(
        "syscall",
        "insn.syscall",
        "the monitor of the paper enters and leaves its guest's kernel through the whole monitor",
    ),
    "nanobench in (port 0x80)": _nano(
        "in",
        "insn.in",
        "the paper's translator answers port 0x80 in the translation cache; ours calls out to the "
        "device model",
    ),
    "nanobench cr8write": _nano("cr8wr", "insn.mov_to_cr8", _NON_ROOT),
    "nanobench call/ret pair": _nano(
        "callret", "insn.call", "an indirect jump of translated code costs what any other does"
    ),
    "nanobench pgfault (true fault)": _nano(
        "pgfault",
        "delivery.exception",
        "that VMM's work of passing a fault on is reasoned, not calibrated; its range holds the row",
    ),
    "nanobench divzero": _nano("divzero", "delivery.exception", _NON_ROOT),
    "nanobench ptemod P->NP": _nano(
        "ptemod-p-to-np",
        "insn.store",
        "the workload follows each store by an INVLPG, which the paper does not say of its own",
    ),
    "nanobench ptemod NP->P": _nano(
        "ptemod-np-to-p",
        "insn.store",
        "the paper's figure may include the first touch of the page, which the workload's region "
        "of interest leaves out",
    ),
    "forkwait (40000 iterations)": _kernel(
        "fork-wait",
        "a process of a full Linux has many more page-table entries to copy than the suite's small one",
    ),
    "SPECint2000 average slowdown": Experiment(
        tuple(
            f"compute/{name}"
            for name in (
                *("matrix-product", "quicksort", "sha-256", "sieve", "recursive-calls"),
                "string-copy",
            )
        ),
        "prescott",
        "times native",
        "",
        "the compute family stands for SPECint2000; its guest takes a timer interrupt every 50,000 "
        "instructions, hundreds of times as often as the paper's system",
    ),
}

_LMBENCH = "the suite's kernel is far smaller than Linux 2.4, so that there is less native work; "
_XEN = _LMBENCH + "and the core is Prestonia, of the family of prescott"

_XEN03: Mapping[str, Experiment] = {
    "lmbench null call": _kernel("null-call", _XEN),
    "lmbench signal handle": _kernel(
        "signal",
        f"{_XEN}; in the paper Xen's guest beats native, which no cost of the model can bring about",
    ),
    "lmbench fork proc": _kernel("fork-wait", _XEN),
    "lmbench exec proc": _kernel("exec", _XEN + "; the suite's exec forks no process"),
    "lmbench mmap latency": _kernel("mmap-munmap", _XEN + "; the suite maps 64 pages, not a file"),
    "lmbench prot fault": _kernel("protection-fault", _XEN),
    "lmbench page fault": _kernel("page-fault", _XEN + "; the suite's faults are on fresh memory"),
    **{
        f"lmbench context switch {processes}p/{size}K": _kernel(
            "context-switch" + ("" if (processes, size) == (2, 0) else f"@{processes}p{size}k"),
            _XEN + "; data caches are not modelled",
        )
        for processes, size in ((2, 0), (2, 16), (2, 64), (8, 16), (8, 64), (16, 16), (16, 64))
    },
}

_VMWEPT09: Mapping[str, Experiment] = {
    "MMU-intensive microbenchmarks, EPT gain over shadow paging (up to)": Experiment(
        (
            *("kernel/fork-wait", "kernel/exec", "kernel/protection-fault"),
            "kernel/context-switch",
        ),
        "nehalem",
        "gain",
        "",
        "the paper's processes are those of a full Linux; its shadow pager keeps more in step",
    ),
}

BY_TECHNIQUE: Mapping[tuple[str, str], str] = {
    ("XEN03", "pv"): (
        "the paper's guest is 32-bit, whose system calls and faults enter its kernel by a gate of their "
        "own; in x86-64 the hypervisor passes each one on"
    ),
    ("XEN03", "bt"): (
        "the paper's VMM is hosted (VMware Workstation 3.2) on 32-bit x86; ADAMS06's, from which "
        "our costs are, takes 9.5 times native for a bare system call"
    ),
}
"""What differs for all rows of a source and technique."""

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
    "XEN03": {"lmbench signal install": "no workload installs handlers only"},
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
