"""Code that changes is executed as it stands, however it was changed and wherever it was executed before."""

from __future__ import annotations

import pytest

from hardware_model.mmu.paging import Entry

BOTH = pytest.mark.parametrize("technique", ["native", "hvm-ept"])
CODE = 0x700000  # a writable page of code, frame 0x240000
ALIAS, NX_ALIAS, OTHER, SWITCHED = 0x710000, 0x720000, 0x730000, 0x740000
RW, NX = int(Entry.P | Entry.RW), int(Entry.P | Entry.RW | Entry.NX)
PAGES = (
    (CODE, 0x240000, RW),
    (ALIAS, 0x240000, RW),
    (NX_ALIAS, 0x240000, NX),
    (OTHER, 0x250000, RW),
    (SWITCHED, 0x260000, RW),
)

SETUP = "mov ebx, {at}; mov dword ptr [rbx], 0x1b8; mov dword ptr [rbx+4], 0x90c300\n"
FINISH = "; mov [DATA], rdi"


@BOTH
@pytest.mark.parametrize("alias", [CODE, ALIAS, NX_ALIAS], ids=["same", "alias", "nx-alias"])
@pytest.mark.parametrize(
    "store",
    [
        "mov [rcx+1], dl",
        "mov [rcx+1], edx",
        "add byte ptr [rcx+1], 1",
        "lock inc byte ptr [rcx+1]",
        "mov dword ptr [rcx+1], edx",
    ],
)
def test_a_store_to_code_takes_effect_at_the_next_call(run_guest, technique, alias, store):
    """Twenty times: call the function (which returns its constant), then raise the constant by one."""
    text = (
        SETUP.format(at=hex(CODE))
        + f"mov ecx, {alias:#x}; xor edi, edi; mov esi, 20; l: call rbx; add edi, eax; mov edx, eax; inc edx\n"
    )
    run = run_guest(text + store + "; dec esi; jnz l" + FINISH, technique=technique, pages=PAGES)
    assert run.data() == sum(range(1, 21))


@BOTH
@pytest.mark.parametrize(
    "alias", [0, ALIAS - CODE, NX_ALIAS - CODE], ids=["same", "alias", "nx-alias"]
)
@pytest.mark.parametrize("distance", [0, 1, 7])
def test_a_store_ahead_in_the_same_block_takes_effect(run_guest, technique, alias, distance):
    """The block stores to an instruction `distance` NOPs ahead of itself; copied to CODE, executed eight times."""
    body = (
        f"lea rcx, [rip+target]; add rcx, {alias}; mov [rcx+1], bl;"
        + "nop;" * distance
        + "target: mov al, 77; add edi, eax; ret; end:"
    )
    text = (
        "jmp start; body: "
        + body
        + f"start: lea rsi, [rip+body]; mov edi, {CODE}; mov ecx, 64; cld; rep movsb; xor edi, edi; xor eax, eax\n"
    )
    text += f"mov ebx, 1; l: mov eax, {CODE}; mov edx, eax; xor eax, eax; call rdx; inc ebx; cmp ebx, 9; jne l"
    run = run_guest(text + FINISH, technique=technique, pages=PAGES)
    assert run.data() == sum(range(1, 9))


@BOTH
def test_a_page_first_written_as_data_then_executed_then_written_again(run_guest, technique):
    text = (
        f"mov ecx, 100; mov edi, {CODE}; xor eax, eax; rep stosd; mov eax, [{CODE}+8]; mov eax, [{NX_ALIAS}+8]\n"
        + SETUP.format(at=hex(CODE))
    )
    text += "xor edi, edi; call rbx; add edi, eax; mov byte ptr [rbx+1], 5; mov byte ptr [rbx+0x800], 1; call rbx; add edi, eax\n"
    text += f"mov byte ptr [rbx+0x801], 1; mov byte ptr [rbx+1], 9; call rbx; add edi, eax; mov byte ptr [{NX_ALIAS}+1], 20; call rbx; add edi, eax"
    assert run_guest(text + FINISH, technique=technique, pages=PAGES).data() == 1 + 5 + 9 + 20


@BOTH
def test_rep_movs_into_code_that_was_executed(run_guest, technique):
    text = (
        SETUP.format(at=hex(CODE))
        + SETUP.format(at=hex(OTHER))
        + f"mov ebp, {CODE}; xor r9d, r9d; mov r8d, 6; l: call rbp; add r9d, eax\n"
    )
    text += "inc byte ptr [rbx+1]; mov esi, ebx; mov edi, ebp; mov ecx, 1; cld; rep movsq; dec r8d; jnz l; mov rdi, r9"
    assert run_guest(text + FINISH, technique=technique, pages=PAGES).data() == sum(range(1, 7))


@BOTH
def test_rep_movs_over_itself(run_guest, technique):
    """The third of four iterations overwrites the REP MOVSB itself with NOPs: it ends there, and the NOPs execute."""
    body = "rep movsb; inc r9d; ret"
    text = (
        "jmp start; body: "
        + body
        + f"; start: lea rsi, [rip+body]; mov edi, {CODE}; mov ecx, 16; cld; rep movsb; mov dword ptr [{OTHER}], 0x90909090\n"
    )
    text += f"mov esi, {OTHER}; mov edi, {CODE}; mov ecx, 2; xor r9d, r9d; mov eax, {CODE}; call rax; mov rdi, r9"
    assert run_guest(text + FINISH, technique=technique, pages=PAGES).data() == 1


@BOTH
def test_a_code_page_that_is_mapped_to_another_frame(run_guest, technique):
    """One linear address, two frames with different code; the page-table entry is changed and INVLPG executed."""
    text = (
        SETUP.format(at=hex(CODE))
        + SETUP.format(at=hex(OTHER))
        + "mov byte ptr [rbx+1], 40\n"
        + SETUP.format(at=hex(SWITCHED))
    )
    text += "mov byte ptr [rbx+1], 3; mov rax, cr3; mov rax, [rax+VA]; and rax, -4096; mov rax, [rax+VA]; and rax, -4096\n"
    text += (
        "mov rax, [rax+VA+24]; and rax, -4096; lea r8, [rax+VA+0xa00]; mov ecx, 10; xor edi, edi\n"
    )
    text += "l: mov qword ptr [r8], 0x250003; invlpg [rbx]; call rbx; add edi, eax; mov qword ptr [r8], 0x260003; invlpg [rbx]; call rbx; add edi, eax; dec ecx; jnz l"
    assert run_guest(text + FINISH, technique=technique, pages=PAGES).data() == 10 * 43


@BOTH
def test_a_stale_mapping_of_code_stays_until_invlpg(run_guest, technique):
    text = (
        SETUP.format(at=hex(OTHER)) + "mov byte ptr [rbx+1], 40\n" + SETUP.format(at=hex(SWITCHED))
    )
    text += "mov byte ptr [rbx+1], 3; mov rax, cr3; mov rax, [rax+VA]; and rax, -4096; mov rax, [rax+VA]; and rax, -4096\n"
    text += "mov rax, [rax+VA+24]; and rax, -4096; lea r8, [rax+VA+0xa00]; call rbx; mov edi, eax; mov qword ptr [r8], 0x250003\n"
    text += "call rbx; shl edi, 8; add edi, eax; invlpg [rbx]; call rbx; shl edi, 8; add edi, eax"
    assert (
        run_guest(text + FINISH, technique=technique, pages=PAGES).data() == 3 << 16 | 3 << 8 | 40
    )


@BOTH
@pytest.mark.parametrize("write", ["bytes", "word"])
def test_a_write_by_the_host_into_executed_code_takes_effect(boot_guest, technique, write):
    """At each region marker the host raises the function's constant through machine memory."""
    marker = ".byte 0x0f,0x1f,0x84,0; .long 0x7b900001\n"
    text = (
        SETUP.format(at=hex(CODE))
        + "xor edi, edi; mov ecx, 10; l: call rbx; add edi, eax\n"
        + marker
        + "dec ecx; jnz l"
    )
    run = boot_guest(text + FINISH, technique=technique, pages=PAGES)

    def change(immediate):
        at = run.base + 0x240000
        word = run.machine.memory.read64(at) + 0x100
        if write == "word":
            run.machine.memory.write64(at, word)
        else:
            run.machine.memory.write(at + 1, bytes([word >> 8 & 0xFF]))

    run.machine.on_marker = change
    assert run.run().data() == sum(range(1, 11))
    assert run.counters["code.invalidated"] == 10


def test_results_and_time_do_not_depend_on_slices(boot_guest):
    text = (
        SETUP.format(at=hex(CODE))
        + f"mov ecx, {NX_ALIAS:#x}; xor edi, edi; mov esi, 20; l: call rbx; add edi, eax; inc byte ptr [rcx+1]; dec esi; jnz l"
    )
    whole = boot_guest(text + FINISH, pages=PAGES).run()
    for length in (1, 2, 3, 5):
        sliced = boot_guest(text + FINISH, pages=PAGES)
        while sliced.run(length).end.name == "BUDGET":
            pass
        assert (sliced.data(), sliced.machine.now) == (whole.data(), whole.machine.now)
