"""Debian's unmodified kernel to user space and power-off."""

from __future__ import annotations

import pytest

from workloads.linux import kernels

UNMODIFIED = ["hvm-ept", "hvm-shadow", "bt"]
SLOWER = ["hvm-shadow", "bt", "pv"]


def test_the_program_runs_as_the_first_process_and_the_kernel_halts(boot) -> None:
    outcome = boot("native")
    assert outcome.outcome_parts["result"] == "0000000000000001"
    assert outcome.guest_status == 0
    assert outcome.console.rstrip().endswith(b"reboot: System halted")


@pytest.mark.parametrize(
    "technique",
    ["native", "hvm-ept", *(pytest.param(t, marks=pytest.mark.soak) for t in SLOWER)],
)
def test_two_boots_count_the_same_to_the_bit(boot, technique: str) -> None:
    first, second = boot(technique), boot(technique, again=1)
    assert first.counters_total == second.counters_total
    assert first.counters_roi == second.counters_roi
    assert first.console == second.console
    assert first.hot_exits == second.hot_exits
    assert first.instructions == second.instructions > 10**9


@pytest.mark.parametrize("technique", UNMODIFIED)
def test_under_every_vmm_the_console_is_the_same_to_the_time_stamp(boot, technique: str) -> None:
    native, guest = boot("native"), boot(technique)
    assert guest.console == native.console
    assert guest.outcome_parts == native.outcome_parts
    assert guest.instructions == native.instructions


def test_the_translated_kernel_stays_in_the_cache(boot) -> None:
    """Units are dropped where the kernel patches itself; for less than one instruction in a thousand it leaves the cache."""
    counts = boot("bt").counters_total
    assert counts["bt.invalidated"] > 5000 and counts.get("bt.flush", 0) == 0
    kernel = counts["instructions"] - counts["instructions.user"]
    assert counts["bt.instruction.retired"] > 0.999 * kernel
    assert counts["traps"] + counts["bt.callout"] < 0.001 * kernel


def test_exits_are_found_by_kernel_symbol(boot) -> None:
    symbols = {symbol for _, _, symbol, _ in boot("hvm-shadow").hot_exits}
    assert "native_set_pte" in symbols


@pytest.mark.soak
@pytest.mark.parametrize("policy", ["virtual-tlb", "unsync"])
def test_the_other_shadow_policies_boot_alike(boot, policy: str) -> None:
    native, guest = boot("native"), boot("hvm-shadow", **{"shadow.policy": policy})
    assert guest.console == native.console


def test_another_major_version_boots(boot) -> None:
    newer = str(kernels.fetched()[-1] / kernels.PLAIN)
    outcome = boot("native", kernel=newer)
    assert b"Linux version 6.12" in outcome.console
    assert outcome.outcome_parts["result"] == "0000000000000001"


@pytest.mark.soak
@pytest.mark.parametrize("technique", UNMODIFIED)
def test_another_major_version_is_the_same_to_the_time_stamp_under_every_vmm(
    boot, technique: str
) -> None:
    newer = str(kernels.fetched()[-1] / kernels.PLAIN)
    native, guest = boot("native", kernel=newer), boot(technique, kernel=newer)
    assert guest.console == native.console
    assert guest.instructions == native.instructions


@pytest.mark.soak
@pytest.mark.parametrize("technique", ["native", *UNMODIFIED])
@pytest.mark.parametrize("folder", [0, -1])
def test_a_bz_image_unpacks_itself_and_moves_itself(boot, folder: int, technique: str) -> None:
    packed = str(kernels.fetched()[folder] / kernels.PACKED)
    native, guest = boot("native", kernel=packed), boot(technique, kernel=packed)
    assert guest.outcome_parts["result"] == "0000000000000001"
    assert guest.console == native.console


@pytest.mark.soak
@pytest.mark.parametrize("technique", [*UNMODIFIED, "pv"])
def test_a_distributions_userland_ends_alike_on_the_newer_kernel(boot, technique: str) -> None:
    newer = str(kernels.fetched()[-1] / kernels.PLAIN)
    native = boot("native", "linux/busybox", kernel=newer)
    guest = boot(technique, "linux/busybox", kernel=newer)
    for part in ("userland", "status"):
        assert guest.outcome_parts[part] == native.outcome_parts[part]


@pytest.mark.soak
@pytest.mark.parametrize("technique", UNMODIFIED)
@pytest.mark.parametrize(
    "workload", ["linux/busybox", "linux/fork-wait", "linux/signal", "linux/context-switch@8p16k"]
)
def test_user_programs_end_alike_under_every_vmm(boot, technique: str, workload: str) -> None:
    native, guest = boot("native", workload), boot(technique, workload)
    assert guest.outcome_parts == native.outcome_parts


@pytest.mark.soak
@pytest.mark.parametrize(
    "program", ["exec", "protection-fault", "mmap-munmap", "page-fault", "pipe", "null-call"]
)
def test_the_translated_kernel_serves_the_family_to_the_time_stamp(boot, program: str) -> None:
    native, guest = boot("native", f"linux/{program}"), boot("bt", f"linux/{program}")
    assert guest.console == native.console
    assert guest.instructions == native.instructions
