"""With the fence, the VMM's slot of linear addresses is to the guest's kernel what it is natively: nothing is there."""

from __future__ import annotations

import pytest

from techniques.binary_translation.layout import (
    REGION,
    STATE,
    TABLES,
)
from techniques.deprivileged.vmm_window import GDT, TSS
from tests.conftest import SmallGuest
from tests.small_guest import KERNEL, USER_STACK
from tests.small_guest import VA as KERNEL_BASE
from tests.techniques.binary_translation.conftest import boot_translated, differences
from tests.techniques.binary_translation.fence_programs import (
    FENCE,
    LOADS_AND_STORES,
    PLACES,
    SEGMENTS,
    TEXTS,
)
from tests.techniques.binary_translation.sequences import program
from tests.techniques.binary_translation.test_isolation import (
    LEAVE,
    MAPS_THE_SLOT,
    OWN,
    SLOT,
    TO_USER,
)


@pytest.mark.parametrize("place", PLACES, ids=hex)
def test_loads_and_stores_there_fault_as_natively(place: int) -> None:
    assert differences(f"mov rsi, {place:#x}\n{LOADS_AND_STORES}", FENCE) == []


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
@pytest.mark.parametrize("place", [PLACES[0], PLACES[3], GDT], ids=hex)
def test_all_that_goes_there_faults_as_natively(place: int, text: str) -> None:
    assert differences(f"mov rsi, {place:#x}\n" + text.format(place=place), FENCE) == []


@pytest.mark.parametrize("place", [PLACES[0], GDT], ids=hex)
def test_segment_bases_do_not_lead_there(place: int) -> None:
    assert differences(f"mov rsi, {place:#x}\n" + SEGMENTS, FENCE) == []


@pytest.mark.parametrize("place", [REGION + STATE, REGION + TABLES, GDT, TSS], ids=hex)
def test_without_it_the_same_loads_succeed(place: int) -> None:
    text = f"mov rsi, {place:#x}\n?mov rax, [rsi]\n"
    assert differences(text, {"bt.fence": "none"}) != []
    assert differences(text, FENCE) == []


def test_a_descriptor_table_that_lies_there_is_not_read() -> None:
    lgdt = "push rax\nsgdt [rsp - 24]\nmov rdi, [rsp - 22]\nmov [rsp - 22], rsi\nlgdt [rsp - 24]\n"
    text = f"mov rsi, {GDT:#x}\n{lgdt}mov ebx, 8\n?lar eax, ebx\n?verr bx\nmov [rsp - 22], rdi\nlgdt [rsp - 24]\npop rax\n?lar eax, ebx\n"
    assert differences(text, FENCE) == []


def test_what_comes_before_the_access_comes_first() -> None:
    """#NM with TS set, and #DB after an instruction that was stepped."""
    text = (
        f"mov rsi, {REGION + STATE:#x}\nmov rax, cr0\nor al, 8\nmov cr0, rax\n?fld qword ptr [rsi]\nclts\n"
        "fninit\n?fld qword ptr [rsi]\npushfq\nor dword ptr [rsp], 0x100\npopfq\n"
        "prefetcht0 [rsi]\nmov rbx, DATA\nmov rax, [rbx]\nmov rbx, USER_DATA\nmov rax, [rbx]\npushfq\n"
        "and dword ptr [rsp], 0xfffffeff\npopfq\nnop\n"
    )
    assert differences(text, FENCE) == []


BOTH_HALVES = """
mov rdi, USER_DATA
mov rsi, DATA
mov ecx, 10
again:
mov rax, [rdi]
add [rsi + 8], rax
xchg rdi, rsi
loop again
"""


def test_an_instruction_that_goes_to_both_halves_is_translated_again_once() -> None:
    assert differences(BOTH_HALVES, FENCE) == []
    run, _ = boot_translated(SmallGuest(BOTH_HALVES), **FENCE)
    run.run(10_000)
    assert run.counters["bt.fence.relaxed"] == run.counters["trap.br"] == 2
    assert run.counters["bt.fence.hit"] == 0


def test_a_unit_checks_a_register_where_it_uses_it_first_and_the_stack_pointer_where_it_is_loaded() -> (
    None
):
    text = (
        "mov rsi, DATA\nmov rax, [rsi]\nmov [rsi + 8], rax\npush rax\nadd rsi, 8\nmov rbx, [rsi]\npop rbx\n"
        "sub rsp, 16\nmov [rsp + 8], rbx\nadd rsp, 16\n"
    )
    run, vmm = boot_translated(SmallGuest(text), **FENCE)
    run.run(1000)
    passage = next(p for p in vmm.listing() if p.rows[1][0] and p.rows[1][0][0].address == KERNEL)
    emitted = [[line.text for line in row[1]] for row in passage.rows[1:11]]
    checks = [[text for text in texts if text.startswith("bnd")] for texts in emitted]
    source, stack = ["bndcl bnd0, [rsi]"], ["bndcl bnd0, [rsp]"]
    assert checks == [[], source, [], [], [], source, [], stack, [], stack]


RETURNS_TO = """
mov r8, rsp
push DATA0
push rsi
pushfq
push CODE0
lea rax, [rip + there]
push rax
iretq
there:
{then}
mov rsp, r8
nop
"""


@pytest.mark.parametrize(
    "then", ["?push rax", "?pop rax", "?call rax", "?ret", "?mov rax, [rsp + 8]", "nop"]
)
@pytest.mark.parametrize("place", [PLACES[0], GDT, OWN - 0x1000, 0x601000], ids=hex)
def test_iret_to_a_stack_there_lets_what_follows_fault_as_natively(place: int, then: str) -> None:
    text = f"mov rsi, {place:#x}\n" + RETURNS_TO.format(then=then)
    assert differences(text, FENCE) == []


@pytest.mark.parametrize("place", [PLACES[0] + 0x40, GDT + 0x40, USER_STACK], ids=hex)
def test_a_stack_pointer_of_user_code_is_no_way_in(place: int) -> None:
    """SYSCALL leaves RSP to the kernel, whose first instructions use it."""
    entry = "mov rbx, rsp\n?push rbx\n?mov rax, [rsp]\nmov rbp, rsp\n?leave\nmov rsp, STACK\npush rbx\npop rbx\n"
    star = (
        "lea rax, [rip + entry]\nmov rdx, rax\nshr rdx, 32\nmov ecx, 0xc0000082\nwrmsr\n"
        "xor eax, eax\nmov edx, 0x180008\nmov ecx, 0xc0000081\nwrmsr\n"
        "mov ecx, 0xc0000080\nrdmsr\nor al, 1\nwrmsr\nmov ecx, 0xc0000084\nxor edx, edx\nmov eax, 0x200\nwrmsr\n"
    )
    user = f"mov rsp, {place:#x}; syscall"
    text = f"{star}{TO_USER}\nentry:\n{entry}"
    assert differences(text, FENCE, user=user) == []


def test_a_kernel_may_have_its_stack_in_the_lower_half() -> None:
    text = (
        "mov rbp, rsp\nmov ecx, 20\nagain:\nmov rsp, USER_DATA + 0x800\npush rcx\ncall function\npop rcx\nmov rsp, rbp\n"
        "push rcx\npop rcx\nloop again\njmp over\nfunction:\nsub rsp, 32\nmov [rsp + 8], rcx\nadd rsp, 32\nret\nover:\n"
    )
    assert differences(text, FENCE) == []


def test_hints_of_bounds_stay_hints() -> None:
    hints = (
        ".byte 0xf3, 0x0f, 0x1a, 0x06\n.byte 0xf2, 0x0f, 0x1a, 0x07\n.byte 0x66, 0x0f, 0x1b, 0xc1\n"
    )
    text = f"mov rsi, {REGION + STATE:#x}\n{hints}"
    assert differences(text + TO_USER, FENCE, user=f"{hints}{LEAVE}") == []


@pytest.mark.parametrize("policy", ["trace", "unsync", "virtual-tlb"])
def test_a_guest_that_uses_the_slot_finds_its_own_memory_there(policy: str) -> None:
    body = (
        f"{MAPS_THE_SLOT}mov rdi, {OWN + (1 << 30):#x}\nmov rbx, [rdi + {STATE:#x}]\n"
        f"mov qword ptr [rdi + {STATE + 0x80:#x}], 0x1234\nadd rbx, [rdi + {STATE + 0x80:#x}]\ncli\npushfq\npop r8\n"
    )
    assert differences(body, {"shadow.policy": policy, **FENCE}) == []


def test_the_slot_below_can_be_used() -> None:
    maps = MAPS_THE_SLOT.replace(f"{8 * SLOT}]", f"{8 * (SLOT - 1)}]")
    below = OWN - (1 << 39) + (1 << 30)
    body = (
        f"{maps}mov rsi, {below:#x}\nmov rdi, rsi\nmov rax, [rsi + 0x210000]\nmov [rdi + 0x210008], rax\nlea rsp, [rsi + 0x1f0000]\n"
        "push rax\ncall function\npop rbx\nlar ecx, word ptr [rsp]\npushfq\npopfq\njmp over\nfunction:\nret\nover:\n"
        f"mov rsp, {KERNEL_BASE + 0x1F0000:#x}\n"
    )
    assert differences(body, FENCE) == []


@pytest.mark.parametrize("seed", range(2600, 2620))
def test_a_random_kernel_program_ends_as_natively(seed: int) -> None:
    found = differences(program(seed), FENCE)
    assert not found, f"seed {seed}: {found}"
