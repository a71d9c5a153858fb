"""The counters of executed instructions: their classes add up, and say what ran at which privilege."""

from __future__ import annotations

import pytest

BOTH = pytest.mark.parametrize("technique", ["native", "hvm-ept"])
ENTER_USER = "push DATA3; push USER_STACK; push 2; push CODE3; push USER; iretq\n"
MIXED = f"""
 mov ecx, 20
l: push rcx; cpuid; pop rcx; rdtsc; mov rax, cr0; mov cr0, rax; ? ud2; ? div ecx; int 0x80; int3
 mov edi, USER_DATA; mov rsi, rdi; push rcx; mov ecx, 3; rep movsb; pop rcx; mov eax, [APIC+0x20]; mov [APIC+0x80], eax
 mov edx, 0x3f8; mov al, 65; out dx, al; in al, dx; invlpg [DATA]; mov rax, cr3; mov cr3, rax
 dec ecx; jnz l
 {ENTER_USER}
"""
MIXED_USER = "mov ebp, 7; l: ? hlt; ? cli; cpuid; int 0x80; dec ebp; jnz l; mov edx, 0xf4; xor eax, eax; out dx, eax"


def classes(run):
    return {
        name.removeprefix("insn."): n
        for name, n in run.counters.items()
        if name.startswith("insn.") and n
    }


@BOTH
def test_classes_and_emulated_instructions_add_up_to_all_instructions(run_guest, technique):
    run = run_guest(MIXED, user=MIXED_USER, technique=technique)
    counters = run.counters
    assert (
        counters["instructions"] == sum(classes(run).values()) + counters["instructions.emulated"]
    )
    assert counters["instructions"] == run.machine.now
    assert counters["time.idle"] == 0
    assert counters["exception.ud"] == 20
    assert counters["exception.gp"] == 14


def test_the_bare_machine_emulates_nothing(run_guest):
    assert run_guest(MIXED, user=MIXED_USER).counters["instructions.emulated"] == 0


def test_techniques_count_the_same_instructions(run_guest):
    """What a VMM completes is missing from the classes, and nothing else."""
    native = run_guest(MIXED, user=MIXED_USER)
    hvm = run_guest(MIXED, user=MIXED_USER, technique="hvm-ept")
    assert hvm.counters["instructions"] == native.counters["instructions"]
    missing = {
        n: c - classes(hvm).get(n, 0)
        for n, c in classes(native).items()
        if c != classes(hvm).get(n, 0)
    }
    assert missing == {"cpuid": 27, "in": 20, "out": 21, "load": 20, "store": 20}
    assert hvm.counters["instructions.emulated"] == sum(missing.values())


def test_each_instruction_is_counted_in_its_class(boot_guest):
    text = """
 mov ecx, 3; l: mov rax, [DATA]; mov [DATA], rax; add [DATA], eax; lock inc dword ptr [DATA]; push rax; pop rax
 imul eax, eax; call f; dec ecx; jnz l; jmp over; f: pushfq; popfq; ret; over: rdtsc; cli; ud2
h:"""
    run = boot_guest(text, gates={6: {"handler": "h"}}).run()
    prologue = {"alu": 5, "jump": 1, "mov_to_cr3": 1, "lgdt": 1, "lidt": 1, "ltr": 1}
    body = {
        "alu": 4 + 2, "load": 3, "store": 3, "load_store": 3, "locked": 3, "push": 3, "pop": 3, "mul": 3, "call": 3,
        "branch": 3, "pushf": 3, "popf": 3, "ret": 3, "jump": 1, "rdtsc": 1, "cli": 1, "out": 1,
    }  # fmt: skip
    total = {name: prologue.get(name, 0) + body.get(name, 0) for name in prologue | body}
    assert classes(run) == total


def test_a_faulting_instruction_is_in_no_class(run_guest):
    assert "ud" not in classes(run_guest("? ud2"))


def test_iterations_of_repeated_instructions_are_counted_in_their_class(run_guest):
    assert classes(run_guest("cld; mov edi, USER_DATA; mov ecx, 37; rep stosb"))["string"] == 37


def test_user_instructions_are_those_at_cpl_3(boot_guest):
    user = "mov ecx, 10; l: nop; dec ecx; jnz l; int 0x90"
    run = boot_guest(ENTER_USER + "h:", user=user, gates={0x90: {"handler": "h"}}).run()
    assert run.counters["instructions.user"] == 1 + 30 + 1


def test_code_that_both_rings_execute_is_counted_for_each(run_guest):
    """The engine chains blocks of one ring; the profile must not take the other ring's block for them."""
    user = "mov ecx, 10; l: nop; dec ecx; jz out; jmp l; out: cmp edi, 1; je user; mov edi, 1; ret; user: int 0x90"
    text = "mov ebp, 5; again: mov eax, USER; xor edi, edi; call rax\n" + ENTER_USER
    text += "h: mov rsp, STACK; dec ebp; jnz again"
    run = run_guest(text, user=user, gates={0x90: {"handler": "h"}})
    assert run.counters["instructions.user"] == 5 * (1 + 9 * 4 + 3 + 2 + 1)


def test_software_interrupts_and_exceptions_have_their_counters(run_guest):
    run = run_guest("int 0x80; int3; int 0x81; ? ud2")
    delivered = ("interrupt.software", "exception.delivered", "exception.ud", "interrupt.delivered")
    assert [run.counters[name] for name in delivered] == [3, 1, 1, 0]
