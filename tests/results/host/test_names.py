"""Names of KVM and perf lead to counters that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hardware_model.counters import index
from results.host import names


@pytest.mark.parametrize(
    "name", [*names.STATISTICS, *names.EVENTS, *names.EXITS, "HLT", "kvm_exit(CPUID)"]
)
def test_every_mapped_name_is_a_counter(name: str) -> None:
    counter = names.counter(name)
    assert counter is not None
    index(counter)


KVM = """
pf_taken pf_fixed pf_emulate pf_spurious pf_fast pf_mmio_spte_created pf_guest tlb_flush invlpg exits io_exits
mmio_exits signal_exits irq_window_exits nmi_window_exits l1d_flush halt_exits request_irq_exits irq_exits
host_state_reload fpu_reload insn_emulation insn_emulation_fail hypercalls irq_injections nmi_injections req_event
nested_run directed_yield_attempted directed_yield_successful preemption_reported preemption_other guest_mode
notify_window_exits blocking halt_successful_poll halt_attempted_poll halt_poll_invalid halt_wakeup
halt_poll_success_ns halt_poll_fail_ns halt_wait_ns mmu_shadow_zapped mmu_pte_write mmu_pde_zapped mmu_flooded
mmu_recycled mmu_cache_miss mmu_unsync pages_4k pages_2m pages_1g nx_lpage_splits max_mmu_rmap_size
max_mmu_page_hash_collisions remote_tlb_flush remote_tlb_flush_requests
"""  # arch/x86/kvm/x86.c and include/linux/kvm_host.h of Linux 6.6, histograms left out
VMX = """
EXCEPTION_NMI EXTERNAL_INTERRUPT TRIPLE_FAULT INIT_SIGNAL SIPI_SIGNAL INTERRUPT_WINDOW NMI_WINDOW TASK_SWITCH
CPUID HLT INVD INVLPG RDPMC RDTSC VMCALL VMCLEAR VMLAUNCH VMPTRLD VMPTRST VMREAD VMRESUME VMWRITE VMOFF VMON
CR_ACCESS DR_ACCESS IO_INSTRUCTION MSR_READ MSR_WRITE INVALID_STATE MSR_LOAD_FAIL MWAIT_INSTRUCTION
MONITOR_TRAP_FLAG MONITOR_INSTRUCTION PAUSE_INSTRUCTION MCE_DURING_VMENTRY TPR_BELOW_THRESHOLD APIC_ACCESS
EOI_INDUCED GDTR_IDTR LDTR_TR EPT_VIOLATION EPT_MISCONFIG INVEPT RDTSCP PREEMPTION_TIMER INVVPID WBINVD XSETBV
APIC_WRITE RDRAND INVPCID VMFUNC ENCLS RDSEED PML_FULL XSAVES XRSTORS UMWAIT TPAUSE BUS_LOCK NOTIFY
"""  # arch/x86/include/uapi/asm/vmx.h of Linux 6.6


@pytest.mark.parametrize("name", [*KVM.split(), *VMX.split()])
def test_every_name_of_linux_is_a_counter_or_has_its_reason(name: str) -> None:
    assert (names.counter(name) is None) == (name in names.WITHOUT_COUNTER)


def test_names_of_exits_differ_from_the_manuals_where_linux_differs() -> None:
    assert names.counter("MSR_WRITE") == "exit.wrmsr"
    assert names.counter("kvm_exit(EPT_MISCONFIG)") == "exit.ept_misconfiguration"


def test_a_name_without_a_counter_says_why() -> None:
    assert names.counter("halt_poll_success_ns") is None
    assert names.why_not("halt_poll_success_ns") == "a time"
    assert names.why_not("no_such_statistic") == "the model has no counter for it"


def test_no_name_is_both_mapped_and_without_a_counter() -> None:
    assert not names.WITHOUT_COUNTER.keys() & (names.STATISTICS.keys() | names.EVENTS.keys())


def test_the_page_names_every_name_that_is_mapped() -> None:
    page = (Path(__file__).parents[3] / "docs" / "compare-host.md").read_text("utf-8")
    for name in (*names.STATISTICS, *names.EVENTS):
        assert re.search(rf"\b{name}\b", page), name
    for name in names.EXITS.keys() - {"SIPI_SIGNAL"}:
        assert name in page, name
