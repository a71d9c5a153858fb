"""Hypercalls with counts that a hostile guest chose: done in pieces, which the guest sees as Xen would show it."""

from __future__ import annotations

from pathlib import Path

import pytest

import workloads
from techniques import Outcome, run_guest
from techniques.paravirtual.clock import SystemClock

from .attack_guest import EFAULT, EINVAL, FOOTER, HEADER, TO_PAGE

AT_ONCE = 512  # requests that one entry of the guest gets done

# All 512 GiB from MMAP_START on are `page`, again and again: one table of each level. It holds requests that change
# nothing (the page's own number in the machine-to-physical table).
ENDLESS = (
    TO_PAGE
    + """
    push rbp
    push r12
    push r13
    mov rbp, rax
    lea rdi, [rip + page]
    mov rcx, KERNEL_BASE
    mov rdx, rdi
    sub rdx, rcx
    shr rdx, 12
    or rax, 1
    mov ecx, PAGE / 16
fill:
    mov [rdi], rax
    mov [rdi + 8], rdx
    add rdi, 16
    dec ecx
    jnz fill
    or rbp, 0x63
    mov rdi, [rip + kernel_root]
    mov rsi, MMAP_START
    mov edx, LEVEL_PAGE
    call make_slot
    pv_batch_begin
    mov r12d, LEVEL_PAGE
level:
    mov rdi, [rip + kernel_root]
    mov rsi, MMAP_START
    mov edx, r12d
    call find_slot
    mov rbx, rax
    cmp r12d, LEVEL_PAGE
    je take
    mov rbp, [rbx]
take:
    mov r13d, ENTRIES
entry:
    pv_set_pte rbx, rbp
    add rbx, 8
    dec r13d
    jnz entry
    add r12d, LEVEL_BITS
    cmp r12d, LEVEL_ROOT
    jb level
    pv_batch_end
    pop r13
    pop r12
    pop rbp
"""
)
UPDATE = """
    mov rdi, MMAP_START
    mov esi, {count}
    lea rdx, [rip + result + 8]
    mov r10d, DOMID_SELF
    HYPERCALL XEN_MMU_UPDATE
    mov [rip + result], rax
    mov [rip + result + 16], rdi
    mov [rip + result + 24], rsi
"""


def run(tmp_path: Path, body: str, budget: int | None = None, data: str = "") -> Outcome:
    source = tmp_path / "attack.asm"
    source.write_text(HEADER + body + FOOTER + data)
    return run_guest("pv", workloads.find(source), "small", budget=budget)


def words(outcome: Outcome) -> list[int]:
    assert outcome.status == "ok", outcome.reason
    data = bytes.fromhex(outcome.outcome_parts["result"]).ljust(128, b"\0")
    return [int.from_bytes(data[i : i + 8], "little", signed=True) for i in range(0, 128, 8)]


def test_a_long_call_is_executed_again_until_all_is_done(tmp_path: Path) -> None:
    count = 5 * AT_ONCE + 3
    ended = run(tmp_path, ENDLESS + UPDATE.format(count=count))
    answer, done, pointer, left, *_ = words(ended)
    assert (answer, done) == (0, count)
    assert pointer == 0x100_0000_0000 + 16 * 5 * AT_ONCE  # of the last piece
    assert left == 3 | 1 << 31  # MMU_UPDATE_PREEMPTED
    assert ended.counters_total["pv.continuation"] == 5
    short = run(tmp_path, ENDLESS + UPDATE.format(count=3))
    assert "pv.continuation" not in short.counters_total
    more = {
        name: ended.counters_total[name] - short.counters_total[name]
        for name in ("hypercall.entries", "pv.mmu_update_entry", "instructions.emulated")
    }
    # Each piece is an instruction that retires: time goes on.
    assert more == {
        "hypercall.entries": 5,
        "pv.mmu_update_entry": 5 * AT_ONCE,
        "instructions.emulated": 5,
    }


def test_what_failed_is_counted_over_all_pieces(tmp_path: Path) -> None:
    """The 1,501st request lies where nothing is mapped: -EFAULT, and 1,500 done."""
    hole = """
    mov rdi, [rip + kernel_root]
    mov rsi, MMAP_START
    mov edx, LEVEL_LARGE_PAGE
    call find_slot
    add rax, 8
    pv_clear_pte rax
    """  # the second 2 MiB
    start = "mov rdi, MMAP_START\n add rdi, LARGE_PAGE - 16 * 1500\n"
    body = ENDLESS + hole + UPDATE.replace("mov rdi, MMAP_START", start).format(count=3 * AT_ONCE)
    answer, done, *_ = words(run(tmp_path, body))
    assert (answer, done) == (EFAULT, 1500)


def test_an_event_is_taken_between_the_pieces_when_it_is_due(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The timer's deadline is 60 units away, the call takes 80 pieces of a unit each: the tick is not a unit late."""
    late: list[int] = []
    expired = SystemClock.expired

    def observed(clock: SystemClock) -> bool:
        deadline, now = clock.deadline, clock.now
        if deadline is not None and now >= deadline:
            late.append(now - deadline)
        return expired(clock)

    monkeypatch.setattr(SystemClock, "expired", observed)
    once = """
    pv_irq_enable
    mov dword ptr [rip + xen_timer_mode], 0
    mov dword ptr [rip + xen_timer_count], 60
    call xen_start_timer
    """
    after = "pv_irq_disable\n mov rax, [rip + ticks]\n mov [rip + result + 32], rax\n"
    ended = run(tmp_path, ENDLESS + once + UPDATE.format(count=80 * AT_ONCE) + after)
    answer, done, _, _, ticks, *_ = words(ended)
    assert (answer, done, ticks) == (0, 80 * AT_ONCE, 1)
    assert late == [0]
    assert ended.counters_total["pv.continuation"] == 79


def test_an_event_that_a_multicall_causes_interrupts_it(tmp_path: Path) -> None:
    """The guest sends itself an event: its upcall comes before the second call, and both have their results."""
    body = """
    lea rdi, [rip + page]
    mov qword ptr [rdi], XEN_EVENT_CHANNEL_OP
    mov qword ptr [rdi + 16], EVTCHNOP_SEND
    lea rax, [rip + xen_ipi_channel + 4]
    mov [rdi + 24], rax
    mov qword ptr [rdi + 64], XEN_VERSION
    mov qword ptr [rdi + 72], -1
    mov qword ptr [rdi + 8], -1
    pv_irq_enable
    mov esi, 2
    HYPERCALL XEN_MULTICALL
    pv_irq_disable
    mov [rip + result], rax
    mov [rip + result + 8], rsi
    mov rax, [rip + page + 8]
    mov [rip + result + 16], rax
    mov rax, [rip + page + 72]
    mov [rip + result + 24], rax
    """
    ended = run(tmp_path, body)
    assert words(ended)[:4] == [0, 1, 0, 4 << 16 | 17]  # one call was left
    assert ended.counters_total["pv.continuation"] == 1
    assert ended.counters_total["pv.upcall"] == 1
    assert ended.counters_total["pv.multicall_entry"] == 2


def test_a_call_in_a_multicall_goes_on_from_its_record(tmp_path: Path) -> None:
    count = 3 * AT_ONCE - 1  # looking at the second call is work too
    body = f"""
    lea rdi, [rip + calls]
    mov qword ptr [rdi], XEN_VERSION
    mov qword ptr [rdi + 64], XEN_MMU_UPDATE
    mov rax, MMAP_START
    mov [rdi + 80], rax
    mov qword ptr [rdi + 88], {count}
    lea rax, [rip + result]
    mov [rdi + 96], rax
    mov qword ptr [rdi + 104], DOMID_SELF
    mov esi, 2
    HYPERCALL XEN_MULTICALL
    mov [rip + result + 8], rax
    lea rdi, [rip + calls]
    .irp offset, 8, 72, 80, 88
    mov rax, [rdi + \\offset]
    mov [rip + result + 16 + \\offset], rax
    .endr
    """
    data = "\n@kernel_data\n.align 16\ncalls: .zero 128\n"
    ended = run(tmp_path, ENDLESS + body, data=data)
    done, answer, _, version, *_ = words(ended)
    assert (done, answer, version) == (count, 0, 4 << 16 | 17)
    result, pointer, left = words(ended)[11:14]
    assert result == 0
    assert (pointer, left) == (0x100_0000_0000 + 16 * (2 * AT_ONCE - 1), AT_ONCE | 1 << 31)
    assert ended.counters_total["pv.continuation"] == 2


# All words of `page` are one: whatever the size of a record, the guest's endless array is full of them.
ALL = "lea rdi, [rip + page]\n mov ecx, PAGE / 8\n mov eax, {word}\n rep stosq\n mov rdi, MMAP_START\n"
HOSTILE = {
    "mmu_update": UPDATE.format(count=0x7FFF_FFFF),
    "mmuext_op": ALL.format(word=6)  # TLB flushes
    + UPDATE.format(count=0x7FFF_FFFF).replace("XEN_MMU_UPDATE", "XEN_MMUEXT_OP"),
    "multicall": ALL.format(word=17) + "mov esi, -1\n HYPERCALL XEN_MULTICALL\n",
    "grant_table_op": ALL.format(word=0)
    + "mov rsi, rdi\n mov edx, 0x7fffffff\n mov edi, 5\n HYPERCALL 20\n",
    "set_trap_table": ALL.format(word=1) + "HYPERCALL XEN_SET_TRAP_TABLE\n",
}


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_count_ends_with_the_budget(tmp_path: Path, body: str) -> None:
    spent = run(tmp_path, ENDLESS + ALL.format(word=0)).counters_total["instructions"]
    ended = run(tmp_path, ENDLESS + body, budget=spent + 20)
    assert ended.status == "failed"
    assert ended.reason.startswith("the guest used up its instruction budget")
    assert 5 < ended.counters_total["pv.continuation"] < 1000


def test_long_calls_are_taken_off_the_budget(tmp_path: Path) -> None:
    """A piece is one instruction, but of the hypervisor's time it takes as much as thousands."""
    ended = run(tmp_path, ENDLESS + HOSTILE["mmu_update"], budget=1_000_000)
    assert ended.reason.startswith("the guest used up its instruction budget")
    pieces = ended.counters_total["pv.continuation"]
    assert pieces * AT_ONCE * 32 > 1_000_000 > (pieces - 1) * AT_ONCE * 32
    assert ended.counters_total["instructions"] < 200_000


def test_a_console_that_is_written_for_ever_ends_the_guest_with_a_sentence(tmp_path: Path) -> None:
    body = "xor edi, edi\n mov esi, -1\n mov rdx, MMAP_START\n HYPERCALL XEN_CONSOLE_IO\n"
    ended = run(tmp_path, ENDLESS + ALL.format(word=0x20202020) + body)
    assert ended.status == "failed"
    assert ended.reason == "the guest has written more than 16 MiB to its console"
    assert len(ended.console) <= 16 << 20


def test_a_long_text_reaches_the_console_whole(tmp_path: Path) -> None:
    body = ENDLESS + ALL.format(word=0x4A4A4A4A) + "mov ecx, PAGE / 4\n lea rdi, [rip + page]\n"
    body += "rep stosd\n xor edi, edi\n mov esi, 100000\n mov rdx, MMAP_START\n"
    body += "HYPERCALL XEN_CONSOLE_IO\n mov [rip + result], rax\n"
    ended = run(tmp_path, body)
    assert words(ended)[0] == 0
    assert ended.console.endswith(b"J" * 100_000)
    assert ended.counters_total["pv.continuation"] == 100_000 // (127 * AT_ONCE)


@pytest.mark.parametrize(
    ("command", "count"), [(5, -1), (2, 0), (2, 2), (6, 2)]
)  # copy, setup_table, query_size
def test_grant_operations_refuse_counts_that_they_do_not_take(
    tmp_path: Path, command: int, count: int
) -> None:
    body = f"mov edi, {command}\n lea rsi, [rip + page]\n mov edx, {count}\n HYPERCALL 20\n"
    assert words(run(tmp_path, body + "mov [rip + result], rax\n"))[0] == EINVAL


def test_tables_of_another_domain_cannot_be_updated(tmp_path: Path) -> None:
    """The upper half of mmu_update's last argument is the tables' owner, its number and 1."""
    own = UPDATE.format(count=1).replace("mov r10d, DOMID_SELF", "mov r10d, DOMID_SELF | 2 << 16")
    other = own.replace("2 << 16", "8 << 16")
    assert words(run(tmp_path, ENDLESS + own))[0] == 0
    assert words(run(tmp_path, ENDLESS + other))[0] == EINVAL
