"""What a profile may speak of, and which workload of the suite shows what one such event costs a technique."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Activity:
    """One kind of event, `name` as in a profile's `[rates]`, in events per second of one processor.

    `workload` does little else; `counters` of its native cell, added up, tell how many it did. `kvm` is the
    exit reason by which KVM reports the event under EPT, where it exits.
    """

    name: str
    workload: str
    counters: tuple[str, ...]
    doc: str
    kvm: str = ""


ACTIVITIES: tuple[Activity, ...] = (
    Activity("system-calls", "kernel/null-call", ("syscall",), "system calls"),
    Activity(
        "page-faults", "kernel/page-fault", ("exception.pf",), "page faults that map a fresh page"
    ),
    Activity(
        "protection-faults",
        "kernel/protection-fault",
        ("exception.pf",),
        "faults passed to a signal handler",
    ),
    Activity(
        "context-switches",
        "kernel/context-switch",
        ("insn.mov_to_cr3",),
        "switches between address spaces",
    ),
    Activity(
        "page-table-updates",
        "nano/ptemod-p-to-np",
        ("insn.store",),
        "page-table entries changed",
    ),
    Activity(
        "tlb-misses", "memory/pointer-chase@4m", ("walk",), "page walks: TLB misses of every level"
    ),
    Activity(
        "interrupts",
        "exit/self-ipi",
        ("interrupt.delivered",),
        "interrupts taken",
        "EXTERNAL_INTERRUPT",
    ),
    Activity(
        "idle-wakeups",
        "exit/hlt-timer",
        ("insn.hlt",),
        "times that the processor goes idle and wakes up",
        "HLT",
    ),
    Activity(
        "port-accesses",
        "exit/port-in",
        ("insn.in",),
        "accesses to I/O ports of an emulated device",
        "IO_INSTRUCTION",
    ),
    Activity(
        "register-accesses",
        "exit/mmio",
        ("mmio.read", "mmio.write"),
        "accesses to memory-mapped registers of an emulated device",
        "EPT_MISCONFIG",
    ),
    Activity(
        "msr-writes",
        "exit/wrmsr",
        ("insn.wrmsr",),
        "writes of model-specific registers that a VMM watches",
        "MSR_WRITE",
    ),
    Activity(
        "msr-reads",
        "exit/rdmsr",
        ("insn.rdmsr",),
        "reads of model-specific registers that a VMM watches",
        "MSR_READ",
    ),
    Activity("cpuid", "exit/cpuid", ("insn.cpuid",), "CPUID instructions", "CPUID"),
)

BY_NAME = {activity.name: activity for activity in ACTIVITIES}
BY_KVM = {activity.kvm: activity for activity in ACTIVITIES if activity.kvm}
