"""Where hypercalls may write for a guest: only where its kernel could write itself (`copy_to_guest` under CR0.WP)."""

from __future__ import annotations

from pathlib import Path

import pytest

from .attack_guest import EFAULT, EINVAL, TO_PAGE, answers, outcome

ROOT = "mov rdx, [rip + kernel_root]\n mov rcx, DIRECT_MAP\n add rdx, rcx\n"  # as the guest sees it
M2P = "mov rdx, MACHINE_TO_PHYSICAL\n"
TEXT = "lea rdx, [rip + workload_main]\n"
PAGE = "lea rdx, [rip + page]\n"
XEN_TABLES = "mov rdx, 0xffff820000000000\n"

# Each writes to RDX, and leaves its result in RAX.
WRITERS = {
    "memory_op": "mov edi, 12\n mov rsi, rdx\n HYPERCALL 12\n",  # XENMEM_machphys_mapping
    "xen_version": "mov edi, 1\n mov rsi, rdx\n HYPERCALL 17\n",  # the name's end
    "vcpu_op": "mov edi, 4\n xor esi, esi\n HYPERCALL 24\n",  # VCPUOP_get_runstate_info
    "grant_table_op": """
        lea rsi, [rip + operation]
        mov word ptr [rsi], 0x7ff0
        mov dword ptr [rsi + 4], 1
        mov [rsi + 16], rdx
        xor edi, edi
        mov edi, 2               # GNTTABOP_setup_table: one frame's number
        mov edx, 1
        HYPERCALL 20
    """,
}


def attack(target: str, writer: str) -> str:
    """The bytes at `target` before and after, and the answer."""
    return f"""
    {target}
    mov r12, rdx
    mov rax, [rdx]
    mov [rip + result], rax
    {writer}
    mov [rip + result + 16], rax
    mov rax, [r12]
    mov [rip + result + 8], rax
"""


@pytest.mark.parametrize("writer", WRITERS.values(), ids=WRITERS)
@pytest.mark.parametrize(
    "target", [ROOT, M2P, TEXT], ids=["a page table", "the machine-to-physical table", "code"]
)
def test_no_hypercall_writes_where_the_guest_may_only_read(
    tmp_path: Path, target: str, writer: str
) -> None:
    before, after, answer, *_ = answers(tmp_path, attack(target, writer))
    assert before == after
    assert answer == EFAULT


@pytest.mark.parametrize("call", ["XEN_MMU_UPDATE", "XEN_MMUEXT_OP"])
@pytest.mark.parametrize(("target", "left"), [(ROOT, True), (M2P, True), (PAGE, False)])
def test_the_count_of_requests_done_is_not_stored_there_either(
    tmp_path: Path, target: str, left: bool, call: str
) -> None:
    """But it does not spoil the call: Xen does not look whether the copy succeeded."""
    writer = f"lea rdi, [rip + request]\n xor esi, esi\n mov r10d, DOMID_SELF\n HYPERCALL {call}\n"
    prepare = "" if left else "mov qword ptr [rdx], -1\n"
    before, after, answer, *_ = answers(tmp_path, attack(target + prepare, writer))
    assert answer == 0
    assert after == (before if left else before & ~0xFFFFFFFF)


@pytest.mark.parametrize("writer", WRITERS.values(), ids=WRITERS)
def test_each_of_them_does_write_to_the_guests_own_memory(tmp_path: Path, writer: str) -> None:
    target = PAGE + "mov qword ptr [rdx], -1\n"
    before, after, answer, *_ = answers(tmp_path, attack(target, writer))
    assert answer == 0
    assert before == -1 != after


def test_a_multicall_in_a_page_table_has_nowhere_to_put_its_results(tmp_path: Path) -> None:
    """The first eight words of the root are taken for a call: number 0 with a null table."""
    body = ROOT + "mov rdi, rdx\n mov esi, 1\n HYPERCALL XEN_MULTICALL\n mov [rip + result], rax"
    assert answers(tmp_path, body)[0] == EFAULT


def test_requests_are_not_read_from_the_hypervisors_slots(tmp_path: Path) -> None:
    body = M2P + "mov rdi, rdx\n mov esi, 1\n xor edx, edx\n mov r10d, DOMID_SELF\n"
    assert answers(tmp_path, body + "HYPERCALL 1\n mov [rip + result], rax")[0] == EFAULT


def test_the_version_is_not_stored_behind_a_pointer_to_a_table_that_starts_in_a_page(
    tmp_path: Path,
) -> None:
    """A record that begins in a page of its own and ends in a page table, which lies behind it in the direct map."""
    body = """
    mov rdx, [rip + kernel_root]
    mov rcx, DIRECT_MAP
    add rdx, rcx
    sub rdx, 8
    mov edi, 12
    mov rsi, rdx
    HYPERCALL 12
    mov [rip + result], rax
"""
    assert answers(tmp_path, body)[0] == EFAULT


# `page` is mapped a second time, at MMAP_START, through tables of its own: RBX = slot of level 1, RBP of level 2.
AGAIN = (
    TO_PAGE
    + """
    push rbp
    push r12
    mov r12, rax
    mov rdi, [rip + kernel_root]
    mov rsi, MMAP_START
    mov edx, LEVEL_PAGE
    call make_slot
    mov rbx, rax
    or r12, 0x63
    pv_set_pte rbx, r12
    mov rdi, [rip + kernel_root]
    mov rsi, MMAP_START
    mov edx, LEVEL_LARGE_PAGE
    call find_slot
    mov rbp, rax
"""
)
CALL = "mov rsi, MMAP_START\n mov edi, 12\n HYPERCALL 12\n mov [rip + result + {} * 8], rax\n"
FLUSH = "pv_flush_tlb rax\n"
CHANGE = "mov rax, [{0}]\n and rax, ~{1}\n {2} {0}, rax\n"
BACK = "pop r12\n pop rbp\n"


def test_a_directory_entry_without_the_right_to_write_counts(tmp_path: Path) -> None:
    body = (
        AGAIN
        + CALL.format(0)
        + CHANGE.format("rbp", 2, "pv_set_table_entry")
        + CALL.format(1)
        + "mov rax, [rbp]\n or rax, 2\n pv_set_table_entry rbp, rax\n"
        + CALL.format(2)
        + CHANGE.format("rbx", 2, "pv_set_pte")
        + CALL.format(3)
        + BACK
    )
    assert answers(tmp_path, body)[:4] == [0, EFAULT, 0, EFAULT]


def test_a_copy_to_the_guest_marks_its_page_as_the_processor_would(tmp_path: Path) -> None:
    """Accessed by a read, dirty by a write."""
    clean = CHANGE.format("rbx", 0x60, "pv_set_pte") + FLUSH
    note = "mov rax, [rbx]\n and eax, 0x60\n mov [rip + result + {} * 8], rax\n"
    read = "xor edi, edi\n mov rdx, MMAP_START\n mov esi, 1\n HYPERCALL 18\n"  # to the console
    body = AGAIN + clean + note.format(0) + CALL.format(1) + note.format(2)
    body += clean + read + note.format(3)
    assert answers(tmp_path, body + BACK)[:4] == [0, 0, 0x60, 0x20]


@pytest.mark.parametrize("address", [0xFFFF_8010_0000, 0x1234_FFFF_8010_0000])
def test_an_address_that_is_not_canonical_has_no_entry_to_update(
    tmp_path: Path, address: int
) -> None:
    """Else these were the kernel's first page."""
    body = f"mov rdi, {address:#x}\n xor esi, esi\n xor edx, edx\n HYPERCALL 14\n"
    assert answers(tmp_path, body + "mov [rip + result], rax")[0] == EINVAL


def test_a_stack_in_a_page_table_ends_the_guest(tmp_path: Path) -> None:
    """The frame of an exception goes where the kernel's stack pointer says, by the same rules."""
    ended = outcome(tmp_path, ROOT + "lea rsp, [rdx + 2048]\n ud2")
    assert ended.status == "failed"
    assert "cannot be written" in ended.reason
