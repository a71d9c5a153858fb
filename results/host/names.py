"""What KVM and perf call an event, and which of the model's counters it is; docs/compare-host.md prints it.

Sources: Linux, arch/x86/include/uapi/asm/vmx.h (names of exits, as perf prints them),
Documentation/virt/kvm/api.rst and arch/x86/kvm/x86.c (statistics), tools/kvm/kvm_stat (events).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from hardware_model.vmx.exit_reasons import BY_NAME

#: Exits whose name in Linux is not the SDM's in lower case.
EXITS: Mapping[str, str] = {
    "PENDING_INTERRUPT": "interrupt_window",
    "SIPI_SIGNAL": "startup_ipi",
    "MSR_READ": "rdmsr",
    "MSR_WRITE": "wrmsr",
    "INVALID_STATE": "entry_failure_guest_state",
    "MSR_LOAD_FAIL": "entry_failure_msr_loading",
    "MWAIT_INSTRUCTION": "mwait",
    "MONITOR_INSTRUCTION": "monitor",
    "PAUSE_INSTRUCTION": "pause",
    "MCE_DURING_VMENTRY": "entry_failure_machine_check",
    "EOI_INDUCED": "virtualized_eoi",
    "GDTR_IDTR": "gdtr_idtr_access",
    "LDTR_TR": "ldtr_tr_access",
    "EPT_MISCONFIG": "ept_misconfiguration",
    "PML_FULL": "page_modification_log_full",
    "VMOFF": "vmxoff",
    "VMON": "vmxon",
}

STATISTICS: Mapping[str, str] = {
    "exits": "exits",
    "io_exits": "exit.io_instruction",
    "mmio_exits": "device.mmio",
    "irq_window_exits": "exit.interrupt_window",
    "irq_window": "exit.interrupt_window",
    "irq_exits": "exit.external_interrupt",
    "halt_exits": "exit.hlt",
    "hypercalls": "exit.vmcall",
    "insn_emulation": "emulate",
    "irq_injections": "injection.interrupt",
    "invlpg": "mmu.invlpg",
    "tlb_flush": "mmu.tlb_flush",
    "pf_taken": "mmu.pf_total",
    "pf_fixed": "mmu.pf_fixed",
    "pf_guest": "mmu.pf_guest",
    "mmu_pte_write": "mmu.pte_write",
    "mmu_pte_updated": "mmu.pte_updated",
    "mmu_pde_zapped": "mmu.pde_zapped",
    "mmu_shadow_zapped": "mmu.shadow_zapped",
    "mmu_flooded": "mmu.flooded",
    "mmu_recycled": "mmu.recycled",
    "mmu_cache_miss": "mmu.cache_miss",
    "mmu_unsync": "mmu.unsync",
}
"""Of KVM's binary statistics and its debugfs files."""

EVENTS: Mapping[str, str] = {
    "kvm_exit": "exits",
    "kvm_entry": "entries",
    "kvm_cpuid": "exit.cpuid",
    "kvm_cr": "exit.cr_access",
    "kvm_pio": "exit.io_instruction",
    "kvm_mmio": "device.mmio",
    "kvm_hypercall": "exit.vmcall",
    "kvm_inj_virq": "injection.interrupt",
    "kvm_inj_exception": "injection.exception",
    "kvm_emulate_insn": "emulate",
}
"""Tracepoints, as kvm_stat counts them."""

WITHOUT_COUNTER: Mapping[str, str] = {
    "signal_exits": "a signal of the host's process",
    "request_irq_exits": "a request of user space",
    "halt_wakeup": "the model has no other threads that could wake a virtual processor",
    "halt_attempted_poll": "the model's VMMs do not poll before they halt",
    "halt_successful_poll": "the model's VMMs do not poll before they halt",
    "halt_poll_invalid": "the model's VMMs do not poll before they halt",
    "halt_poll_success_ns": "a time",
    "halt_poll_fail_ns": "a time",
    "halt_wait_ns": "a time",
    "fpu_reload": "the guest's FPU registers are the model's own",
    "host_state_reload": "the host's registers are not modelled",
    "nmi_window_exits": "NMIs are not modelled",
    "nmi_injections": "NMIs are not modelled",
    "insn_emulation_fail": "an instruction without emulation ends the model's cell",
    "l1d_flush": "data caches are not modelled",
    "req_event": "KVM's own requests",
    "nested_run": "nested guests are not modelled",
    "directed_yield_attempted": "one virtual processor runs alone",
    "directed_yield_successful": "one virtual processor runs alone",
    "preemption_reported": "one virtual processor runs alone",
    "preemption_other": "one virtual processor runs alone",
    "guest_mode": "a state, not an event",
    "pages_4k": "a number of pages, not of events",
    "pages_2m": "a number of pages, not of events",
    "pages_1g": "a number of pages, not of events",
    "max_mmu_rmap_size": "a size",
    "max_mmu_page_hash_collisions": "a length",
    "nx_lpage_splits": "a number of pages, not of events",
    "remote_tlb_flush": "the model has one processor",
    "remote_tlb_flush_requests": "the model has one processor",
    "pf_emulate": "part of emulate",
    "blocking": "a state, not an event",
    "notify_window_exits": "the model's processors have no such exit",
    **dict.fromkeys(
        ("UMWAIT", "TPAUSE", "BUS_LOCK", "NOTIFY"), "the model's processors have no such exit"
    ),
    "pf_spurious": "races of several processors",
    "pf_fast": "KVM's lockless repair; the model repairs every fault alike",
    "pf_mmio_spte_created": "EPT misconfigurations for devices are not made by the model's VMM",
}
"""Names without a counter, and why."""

_EXIT_EVENT = re.compile(r"kvm_exit\((\w+)\)$")


def counter(name: str) -> str | None:
    """The counter that a host's name stands for; None when there is none.

    A name is a statistic (halt_exits), an event (kvm_exit, kvm_exit(HLT)), or an exit (HLT).
    """
    if match := _EXIT_EVENT.match(name):
        return _exit(match[1])
    return STATISTICS.get(name) or EVENTS.get(name) or _exit(name)


def why_not(name: str) -> str:
    """Why a host's name has no counter."""
    return WITHOUT_COUNTER.get(name, "the model has no counter for it")


def _exit(name: str) -> str | None:
    reason = EXITS.get(name, name.lower() if name.isupper() else "")
    return f"exit.{reason}" if reason in BY_NAME else None
