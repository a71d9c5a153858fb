"""Totals equal the sums of their parts, in every cell."""

from __future__ import annotations


def total(counters: dict[str, int], prefix: str) -> int:
    """Sum of all counters whose name begins with `prefix`."""
    return sum(value for name, value in counters.items() if name.startswith(prefix))


def every_counters(run, workload):
    """Counters of the whole run under each technique."""
    for technique, policy in (
        ("native", ""),
        ("hvm-ept", ""),
        ("hvm-shadow", "trace"),
        ("hvm-shadow", "virtual-tlb"),
        ("hvm-shadow", "unsync"),
    ):
        yield technique, run(technique, workload, policy).counters_total


def test_instruction_classes_and_emulated_instructions_make_all_instructions(run, workload):
    for _, counters in every_counters(run, workload):
        executed = total(counters, "insn.") + counters.get("instructions.emulated", 0)
        assert executed == counters["instructions"]


def test_exits_by_reason_make_all_exits(run, workload):
    for technique, counters in every_counters(run, workload):
        assert total(counters, "exit.") == counters.get("exits", 0)
        assert (counters.get("exits", 0) > 0) == (technique != "native")


#: Exits of #UD: RDTSCP, which first-generation VT-x cannot let through, at each place where the probe has it; a page of
#: ones of the guest's own, which it calls.
UNDEFINED_OPCODES = {"sensitive/probe": 5, "isolation/into-vmm": 1}


def test_hidden_true_traced_and_device_faults_make_all_page_fault_exits(run, workload, policy):
    counters = run("hvm-shadow", workload, policy).counters_total
    kinds = ("mmu.pf_fixed", "mmu.pf_guest", "mmu.pf_write_protect", "mmu.pf_mmio")
    faults = sum(counters.get(kind, 0) for kind in kinds)
    assert faults == counters["mmu.pf_total"]
    assert counters["exit.exception_nmi"] - faults == UNDEFINED_OPCODES.get(workload, 0)


def test_under_ept_page_tables_and_page_faults_cause_no_exits(run, workload):
    counters = run("hvm-ept", workload).counters_total
    assert counters.get("exit.exception_nmi", 0) == 0
    assert counters.get("exit.invlpg", 0) == 0
    assert total(counters, "mmu.") == 0


def test_under_ept_loading_cr3_causes_no_exits(run):
    counters = run("hvm-ept", "exit/mov-cr3").counters_roi
    assert counters["insn.mov_to_cr3"] == 1000
    assert counters.get("exit.cr_access", 0) == 0


def test_first_level_misses_are_second_level_hits_and_misses(run, workload):
    for _, counters in every_counters(run, workload):
        get = counters.get
        misses = get("tlb.l1i.miss", 0) + get("tlb.l1d.miss", 0)
        assert misses == get("tlb.l2.hit", 0) + get("tlb.l2.miss", 0)
        assert get("tlb.l2.miss", 0) == get("walk", 0)


def test_references_by_level_make_all_references(run, workload):
    for technique, counters in every_counters(run, workload):
        assert total(counters, "walk.reference.") == counters["walk.reference"]
        assert (total(counters, "walk.reference.ept.") > 0) == (technique == "hvm-ept")
