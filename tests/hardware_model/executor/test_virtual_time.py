"""Virtual time is the number of retired instructions: against hand counts, between two region markers."""

from __future__ import annotations

import pytest

BEGIN = ".byte 0x0f,0x1f,0x84,0; .long 0x7b900001\n"
FINISH = "\n.byte 0x0f,0x1f,0x84,0; .long 0x7b900002\n"
SETUP = "cld; mov rdi, DATA; mov rsi, DATA+256; mov ecx, {count}\n"
BOTH = pytest.mark.parametrize("technique", ["native", "hvm-ept"])


@pytest.fixture
def spent(run_guest):
    """Virtual time that a text takes, handlers of its events included."""

    def measure(text, technique="native", **rest):
        run = run_guest(BEGIN + text + FINISH, technique=technique, **rest)
        return run.spent - 1

    return measure


@BOTH
@pytest.mark.parametrize(
    ("text", "instructions"),
    [
        ("", 0),
        ("nop", 1),
        ("nop\n" * 1000, 1000),
        ("mov ecx, 7; l: dec ecx; jnz l", 1 + 7 * 2),
        ("jmp over; nop; over: nop", 2),
        ("call f; jmp over; f: nop; ret; over:", 4),
        ("mov ecx, 5; l: loop l", 6),
        ("cpuid; cpuid; nop", 3),
        ("rdtsc; rdtsc", 2),
        ("mov rax, cr0; mov cr0, rax; mov rax, cr3; mov cr3, rax; mov rax, cr4; mov cr4, rax", 6),
        ("mov rax, cr8; mov cr8, rax; mov rax, dr7; mov dr7, rax; mov rax, cr2", 5),
        ("mov ecx, 0xc0000081; rdmsr; wrmsr", 3),
        ("clts; smsw ax; lmsw ax; invlpg [DATA]; wbinvd", 5),
        ("mov edx, 0x3f9; in al, dx; out dx, al", 3),
        ("sgdt [DATA]; lgdt [DATA]; sidt [DATA]; lidt [DATA]; sldt ax; str ax", 6),
        ("pushfq; popfq; cli; sti; cli; swapgs; swapgs; lar eax, eax; push fs; pop fs", 10),
        (
            "mov rax, rsp; push 0x10; push rax; pushfq; push 8; lea rbx, [rip+l]; push rbx; iretq; l:",
            8,
        ),
    ],
)
def test_every_instruction_is_one_unit(spent, technique, text, instructions):
    assert spent(text, technique) == instructions


@BOTH
@pytest.mark.parametrize("count", [0, 1, 2, 3, 100, 5000])
@pytest.mark.parametrize("instruction", ["stosb", "movsq", "lodsd", "stosq"])
def test_every_iteration_of_a_repeated_string_instruction_is_one_unit(
    spent, technique, instruction, count
):
    text = SETUP.format(count=count) + f"rep {instruction}"
    assert spent(text, technique) == 4 + max(count, 1)


@pytest.mark.parametrize(
    ("prefix", "difference", "iterations"), [("repe", 3, 4), ("repne", 3, 1), ("repe", 40, 8)]
)
def test_a_comparison_that_ends_early_counts_its_iterations(spent, prefix, difference, iterations):
    text = f"mov byte ptr [DATA+{difference}], 1;" + SETUP.format(count=8) + f"{prefix} cmpsb"
    assert spent(text) == 5 + iterations


@pytest.mark.parametrize("count", [1, 2, 7])
def test_a_repeated_instruction_in_the_shadow_of_sti_counts_the_same(spent, count):
    assert spent(SETUP.format(count=count) + "sti; rep stosb; cli") == 6 + count


def test_a_repeated_instruction_with_32_bit_addresses_counts_in_ecx(spent):
    text = "mov rcx, 0x100000003; mov edi, USER_DATA; addr32 rep stosb"
    assert spent(text.replace("addr32 rep stosb", ".byte 0x67, 0xf3, 0xaa")) == 2 + 3


def test_a_jump_to_a_repeated_instruction_with_count_0_is_one_unit(spent):
    assert spent("xor ecx, ecx; cld; jmp l; nop; l: rep stosb; nop") == 5


@BOTH
@pytest.mark.parametrize("faults", [1, 2, 10])
def test_a_fault_in_the_middle_of_a_block_takes_back_what_did_not_run(spent, technique, faults):
    handler = (
        74  # instructions of the logging handler; its search takes six more for each earlier fix-up
    )
    expected = sum(6 + handler + 6 * n for n in range(faults))
    assert spent("nop; nop; nop; ? ud2; nop; nop; nop\n" * faults, technique) == expected


@pytest.mark.parametrize("place", range(8))
def test_time_at_a_fault_is_the_number_of_instructions_before_it(boot_guest, place):
    text = BEGIN + "nop\n" * place + "ud2\n" + "nop\n" * (8 - place) + "h:" + FINISH
    run = boot_guest(text, gates={6: {"handler": "h"}}).run()
    assert run.spent - 1 == place


def test_int_n_counts_once(boot_guest):
    run = boot_guest(
        BEGIN + "nop; int 0x80; ud2; h:" + FINISH, gates={0x80: {"handler": "h"}}
    ).run()
    assert run.spent - 1 == 2


def test_int_n_that_faults_does_not_count(boot_guest):
    gates = {0x80: {"present": False}, 11: {"handler": "h"}}
    run = boot_guest(BEGIN + "nop; int 0x80; ud2; h:" + FINISH, gates=gates).run()
    assert run.spent - 1 == 1


@BOTH
def test_syscall_and_sysret_count_one_each(run_guest, technique):
    text = """
 mov ecx, 0xc0000081; xor eax, eax; mov edx, 0x1b0008; wrmsr
 inc ecx; lea rax, [rip+entry]; mov rdx, rax; shr rdx, 32; wrmsr
 mov rcx, USER; mov r11d, 2; mov r12, 3; sysretq
entry:
 dec r12; jz out; sysretq
out:"""
    run = run_guest(
        text.replace("sysretq\nentry", BEGIN + "sysretq\nentry") + FINISH,
        user="l: nop; syscall; jmp l",
        technique=technique,
    )
    # sysret; (nop, syscall, dec, jz, sysret, jmp) twice; nop, syscall, dec, jz
    assert run.spent - 1 == 1 + 2 * 6 + 4
    assert run.counters["syscall"] == 3


@BOTH
def test_a_block_longer_than_a_page_and_instructions_across_pages_count_once(spent, technique):
    assert spent("mov rax, 0x1122334455667788\n" * 1000 + "nop", technique) == 1001


def test_time_does_not_depend_on_how_often_blocks_are_cut(boot_guest):
    """The same guest run in slices of every small length."""
    text = BEGIN + "mov ecx, 50; l: nop; mov rax, [DATA]; ? ud2; rdtsc; dec ecx; jnz l" + FINISH
    whole = boot_guest(text).run()
    for length in range(1, 20):
        sliced = boot_guest(text)
        while sliced.run(length).end.name == "BUDGET":
            pass
        assert sliced.markers == whole.markers
        assert sliced.records == whole.records
        assert sliced.counters | {"blocks": 0} == whole.counters | {"blocks": 0}
