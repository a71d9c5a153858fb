"""`pv.traps=direct`: the kernel at CPL 1, system calls by a gate of the programs' own, as on 32-bit Xen."""

from __future__ import annotations

from pathlib import Path

import pytest

import workloads
from techniques import Outcome, run_guest

from .attack_guest import outcome

DIRECT = {"pv.traps": "direct"}
HEADER = """#: title = "Programs"
#: stresses = "rings"
#: outcome = "the exit status"
#: small = { n = 1 }
#: standard = { n = 1 }
#: large = { n = 1 }
@user
user_main:
"""


def run(name: str) -> Outcome:
    return run_guest("pv", workloads.find(name), "small", knobs=DIRECT)


@pytest.mark.parametrize(
    "name",
    ["kernel/fork-wait", "kernel/signal", "kernel/exec", "kernel/pipe", "nano/syscall"],
)
def test_the_guest_has_the_outcome_of_the_native_one(name: str) -> None:
    direct, native = run(name), run_guest("native", workloads.find(name), "small")
    assert (direct.status, direct.reason) == ("ok", "")
    assert direct.outcome_parts.items() <= native.outcome_parts.items()
    assert "pv.syscall_bounced" not in direct.counters_total
    assert "pv.rejected" not in direct.counters_total


def test_no_system_call_enters_the_hypervisor() -> None:
    counts = run("kernel/null-call").counters_roi
    assert counts["interrupt.software"] == 4000
    # What is left are timer events: the interrupt, the next deadline, and events seen when they are unmasked.
    assert counts["traps"] == counts["trap.interrupt"] + counts["hypercall.entries"]
    assert counts["hypercall.entries"] < 20
    assert "hypercall.iret" not in counts
    assert "pv.mode_switch" not in counts


def test_one_address_space_serves_kernel_and_program() -> None:
    """Against two roots for each process: half the pins, no switch of roots between user and kernel mode."""
    direct = run("kernel/fork-wait").counters_roi
    bounced = run_guest("pv", workloads.find("kernel/fork-wait"), "small").counters_roi
    assert 2 * direct["pv.pin"] == bounced["pv.pin"]
    assert direct["walk"] < bounced["walk"]


def test_a_program_cannot_reach_the_kernel_or_the_hypervisor(tmp_path: Path) -> None:
    for address in ("0xffffffff80100000", "0xffff800000000000", "0xffff820000010000"):
        source = tmp_path / f"reach-{address}.asm"
        source.write_text(
            HEADER
            + f"mov rax, {address}\n mov rax, [rax]\n xor edi, edi\n mov eax, SYS_EXIT\n int 0x80\n"
        )
        ended = run_guest("pv", workloads.find(source), "small", knobs=DIRECT)
        assert (ended.status, ended.guest_status) == ("failed", 139), ended.reason


def test_syscall_is_an_invalid_opcode_for_its_programs(tmp_path: Path) -> None:
    source = tmp_path / "syscall.asm"
    source.write_text(HEADER + "mov eax, SYS_GETPID\n .byte 0x0f, 0x05\n jmp user_main\n")
    ended = run_guest("pv", workloads.find(source), "small", knobs=DIRECT)
    assert (ended.status, ended.guest_status) == ("failed", 139), ended.reason
    assert "pv.syscall_bounced" not in ended.counters_total
    assert ended.counters_total["trap.syscall"] == ended.counters_total["hypercall.entries"] + 1


@pytest.mark.parametrize(
    "address", ["0xffff82000000e018", "0xffff820000010800", "0xffff820000011004"]
)
def test_the_kernel_cannot_write_the_hypervisors_tables(tmp_path: Path, address: str) -> None:
    ended = outcome(tmp_path, f"mov rax, {address}\n mov [rax], rax", **DIRECT)
    assert ended.guest_status == 255
    assert b"000000000000000e 0000000000000003" in ended.console


def test_the_kernel_runs_at_cpl_1(tmp_path: Path) -> None:
    body = "mov eax, cs\n mov [rip + result], rax"
    ended = outcome(tmp_path, body, **DIRECT)
    assert ended.outcome_parts["result"] == "19e0"
