"""What a deprivileged guest can reach, and what ends it with a sentence."""

from __future__ import annotations

import pytest

from techniques.deprivileged.vmm_window import GDT, IDT, LDT, ROOT_INDEX, TSS, WINDOW
from techniques.technique import GuestError

LEAVE = "mov edx, 0xf4; xor eax, eax; out dx, eax"
TO_USER = "push DATA3; mov rbx, USER_STACK; push rbx; push 0x202; push CODE3; mov rbx, USER; push rbx; iretq"
RETURN = "mov rax, rsp; push {ss}; push rax; push 2; push {cs}; lea rax, [rip + on]; push rax; iretq; on: nop"


@pytest.mark.parametrize(
    "address", [GDT, GDT + 8, LDT, TSS, TSS + 4, IDT, WINDOW + 0x30000], ids=hex
)
def test_the_kernel_cannot_write_to_its_vmms_tables(both, address: int) -> None:
    native, _ = both(
        f"mov rsi, {address:#x}; ? mov [rsi], rsi; ? inc byte ptr [rsi]; mov rdi, rsi; ? .byte 0xf3, 0xab"
    )
    assert [(record.vector, record.error, record.cr2) for record in native.records[:2]] == [
        (14, 2, address)
    ] * 2


@pytest.mark.parametrize("address", [GDT, TSS, IDT], ids=hex)
def test_user_code_cannot_even_read_them(both, address: int) -> None:
    native, _ = both(
        TO_USER, user=f"mov rsi, {address:#x}; ? mov rax, [rsi]; ? mov [rsi], rax; {LEAVE}"
    )
    assert [(record.vector, record.error) for record in native.records] == [(14, 4), (14, 6)]


def test_the_vmms_tables_stay_what_they_are_when_the_guest_changes_its_own(deprivileged) -> None:
    run = deprivileged("mov rdi, GDT; mov ecx, 0x80; mov al, 0xff; rep stosb; mov rax, cr0").run()
    table = run.resume.__self__.shadow.window.machine_address(GDT)
    raw = run.machine.memory.read(table, 0x10000)
    words = [int.from_bytes(raw[at : at + 8], "little") for at in range(0, 0xFFC0, 8)]
    assert all(word >> 45 & 3 for word in words if word)
    assert all(word >> 44 & 1 for word in words if word)


@pytest.mark.parametrize("address", [GDT, LDT, TSS, IDT], ids=hex)
def test_a_guest_that_maps_its_vmms_addresses_finds_its_own_memory_there(
    both, address: int
) -> None:
    """The VMM's tables have moved."""
    native, run = both(
        f"mov rsi, {address:#x}; mov rdi, [rsi]; mov [rsi], rdi; int3; mov rbx, [rsi]",
        pages=[(address, 0x230000, 3)],
    )
    assert len(native.records) == 1
    assert run.resume.__self__.shadow.window.slot != ROOT_INDEX


REFUSED = {
    "ring 2": (RETURN.format(ss=0x5A, cs=0x62), "rings 0 and 3 only"),
    "compatibility mode": (RETURN.format(ss=0x23, cs=0x6B), "compatibility mode"),
    "a call gate": (
        "mov rdi, DATA; mov word ptr [rdi + 8], 0x70; .byte 0x48, 0xff, 0x1f",
        "call gate",
    ),
    "a GDT that is too large": (
        "lgdt [rip + big]; big: .short 0xffff; .quad GDT",
        "belong to the VMM",
    ),
    "SYSRET to compatibility mode": (".byte 0x0f, 0x07", "compatibility mode by SYSRET"),
    "a stack in a device": ("mov rsp, APIC + 0x800; int3", "where there is no RAM"),
}
DESCRIPTORS = (
    "mov rdi, GDT + 0x58; mov rax, 0x00cfd3000000ffff; mov [rdi], rax; mov rax, 0x00afdb000000ffff; mov [rdi + 8], rax;"
    "mov rax, 0x00cffb000000ffff; mov [rdi + 16], rax; mov rax, 0x0000ec0000080000; mov [rdi + 24], rax;"
)


@pytest.mark.parametrize("name", REFUSED)
def test_what_the_vmm_does_not_offer_ends_the_run_with_a_sentence(deprivileged, name: str) -> None:
    text, sentence = REFUSED[name]
    with pytest.raises(GuestError, match=sentence) as error:
        deprivileged(DESCRIPTORS + text).run()
    assert len(str(error.value).splitlines()) == 1
