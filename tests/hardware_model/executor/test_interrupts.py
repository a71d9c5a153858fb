"""Interrupts arrive at an exact retired instruction: the local APIC's timer against a trace of single steps."""

from __future__ import annotations

from functools import cache

import pytest

APIC_ON = "mov dword ptr [APIC+0xf0], 0x1ff; mov dword ptr [APIC+0x3e0], 0xb; mov dword ptr [APIC+0x320], 0x40\n"
ARM = "mov r9d, {count}; sti; nop; armed: mov [APIC+0x380], r9d\n"
TEXTS = {
    "straight": ARM + "nop\n" * 70,
    "loop": ARM + "mov r8d, 9; l: mov rax, [DATA]; push rax; pop rax; jmp o; nop; o: dec r8d; jnz l\n" + "nop\n" * 9,
    "exits": ARM + "mov r8d, 7; l: cpuid; rdtsc; mov rax, cr0; mov cr0, rax; invlpg [DATA]; dec r8d; jnz l\n" + "nop\n" * 20,
    "strings": "mov edi, USER_DATA; mov rsi, rdi; mov ecx, 30; cld\n" + ARM + "rep movsb; mov cl, 24; rep stosb\n" + "nop\n" * 9,
    "devices": ARM + "mov r8d, 9; l: mov eax, [APIC+0x20]; mov edx, 0x3fd; in al, dx; dec r8d; jnz l\n" + "nop\n" * 15,
    "code written": ARM + "mov r8d, 9; l: mov byte ptr [rip+p+1], 5; nop; p: mov al, 4; nop; dec r8d; jnz l\n" + "nop\n" * 15,
}  # fmt: skip
DEADLINES = range(1, 65)


@pytest.fixture
def run_text(boot_guest):
    """Runs a text with the timer programmed to `count`, `length` units of time at once."""

    def make(name, count, technique="native", length=1_000_000):
        run = boot_guest(APIC_ON + TEXTS[name].format(count=count), technique=technique)
        while run.run(length).end.name == "BUDGET":
            pass
        return run

    return make


@pytest.fixture(scope="module")
def kept():
    """Events and instructions of a text's uninterrupted native run, by text and count."""
    return {}


@pytest.fixture
def natively(run_text, kept):
    """`(records, instructions)` of that run, which several tests compare with."""

    def make(name, count):
        if (name, count) not in kept:
            run = run_text(name, count)
            kept[name, count] = run.records, run.counters["instructions"]
        return kept[name, count]

    return make


@pytest.fixture(scope="module")
def traces():
    """RIP at each unit of time of a text whose timer never expires, by single steps."""

    @cache
    def trace(name, boot):
        run = boot(APIC_ON + TEXTS[name].format(count=1_000_000))
        rips = []
        while True:
            rips.append(run.machine.registers.rip)
            if run.run(1).end.name != "BUDGET":
                return run, rips

    return trace


@pytest.mark.parametrize("name", TEXTS)
def test_the_saved_rip_is_that_of_the_instruction_due(natively, boot_guest, traces, name):
    run, rips = traces(name, boot_guest)
    armed = rips.index(run.guest.symbols["armed"])
    for count in DEADLINES:
        (record,) = natively(name, count)[0]
        assert (record.vector, record.rip) == (0x40, rips[armed + count]), count


@pytest.mark.parametrize("name", TEXTS)
def test_handlers_see_the_same_under_native_and_hvm_for_every_deadline(run_text, natively, name):
    for count in DEADLINES:
        hvm = run_text(name, count, "hvm-ept")
        assert natively(name, count) == (hvm.records, hvm.counters["instructions"]), count


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("length", [1, 2, 3, 7])
def test_handlers_see_the_same_however_the_run_is_sliced(run_text, natively, name, length):
    for count in (1, 2, 5, 17, 40):
        assert run_text(name, count, length=length).records == natively(name, count)[0], count
