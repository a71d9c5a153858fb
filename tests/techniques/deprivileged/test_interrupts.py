"""Virtual interrupts arrive at the same retired guest instruction as on the bare machine."""

from __future__ import annotations

import pytest

APIC_ON = "mov rbx, APIC; mov dword ptr [rbx + 0xf0], 0x1ff; mov dword ptr [rbx + 0x3e0], 0xb;"
PERIODIC = APIC_ON + "mov dword ptr [rbx + 0x320], 0x20041; mov dword ptr [rbx + 0x380], {period};"
ONE_SHOT = APIC_ON + "mov dword ptr [rbx + 0x320], 0x42; mov dword ptr [rbx + 0x380], {delay};"
SELF = "mov dword ptr [rbx + 0x300], {vector:#x};"
SELF_41, SELF_42, SELF_51 = (SELF.format(vector=0x44000 | vector) for vector in (0x41, 0x42, 0x51))
TO_USER = "push DATA3; mov rcx, USER_STACK; push rcx; push 0x202; push CODE3; mov rcx, USER; push rcx; iretq"
LEAVE = "mov edx, 0xf4; xor eax, eax; out dx, eax"


@pytest.mark.parametrize("period", [97, 211, 1009])
def test_timer_ticks_interrupt_the_kernel_where_they_do_natively(both, period: int) -> None:
    text = PERIODIC.format(period=period) + (
        "sti; mov ecx, 3000; on: inc rax; lea rdx, [rdx + rax]; mov rsi, DATA; mov [rsi], rdx; dec ecx; jnz on; cli"
    )
    native, run = both(text)
    ticks = len(native.records)
    assert ticks > 18000 // (period + 60)
    assert native.counters["interrupt.delivered"] == ticks
    assert run.counters["interrupt.delivered"] == 0
    assert run.counters["trap.reflected"] == ticks
    assert ticks <= run.counters["trap.interrupt"] <= ticks + 1


def test_timer_ticks_interrupt_user_code_where_they_do_natively(both) -> None:
    native, _ = both(
        PERIODIC.format(period=173) + TO_USER,
        user=f"mov ecx, 1500; on: inc rax; lea rdx, [rdx + rax]; dec ecx; jnz on; {LEAVE}",
    )
    assert len(native.records) > 15
    assert {record.cs for record in native.records} == {0x2B}


def test_ticks_within_string_instructions_come_between_the_same_iterations(both) -> None:
    text = PERIODIC.format(period=131) + (
        "sti; mov rdi, DATA; mov ecx, 400; .byte 0xf3, 0xaa; mov rsi, DATA; mov rdi, DATA + 0x400; mov ecx, 100;"
        ".byte 0xf3, 0xa4; mov rdi, DATA; mov edx, 0x3ff; mov ecx, 200; .byte 0xf3, 0x6c; cli"
    )
    native, _ = both(text)
    assert len(native.records) >= 4


@pytest.mark.parametrize("delay", range(1, 12))
def test_a_tick_around_critical_sections_waits_as_natively(both, delay: int) -> None:
    both(
        ONE_SHOT.format(delay=delay)
        + "sti; nop; cli; inc eax; sti; cli; inc eax; sti; inc eax; sti; inc eax; cli"
    )


HELD_OFF = {
    "one instruction after STI": ("sti; inc eax; inc eax; inc eax", 1),
    "STI and CLI leave no room": ("sti; cli; inc eax", 0),
    "a second STI gives no second shadow": ("sti; sti; inc eax", 1),
    "MOV SS within the shadow of STI": ("mov eax, DATA0; sti; mov ss, eax; inc ecx; inc ecx", 1),
    "STI and HLT": ("sti; hlt; inc eax", 1),
    "an exception in the shadow": ("sti; ? ud2; inc eax", 1),
    "a page fault that only the VMM sees in the shadow": (
        "mov rsi, DATA + 0x8000; sti; mov rdx, [rsi]; inc eax",
        1,
    ),
    "a software interrupt in the shadow": ("sti; int 0x80; inc eax", 1),
    "IRET that sets IF": (
        "mov rax, rsp; push DATA0; push rax; push 0x202; push CODE0; lea rax, [rip + on]; push rax; iretq; on: inc eax",
        1,
    ),
    "a device register in the shadow": ("sti; mov edx, [rbx + 0x20]; inc eax", 1),
    "a user's first instruction": (TO_USER, 1),
}


@pytest.mark.parametrize("name", HELD_OFF)
def test_a_pending_interrupt_is_taken_as_soon_as_natively(both, name: str) -> None:
    text, taken = HELD_OFF[name]
    native, _ = both(f"{APIC_ON} {SELF_41} inc eax; {text}; cli", user=f"inc eax; inc eax; {LEAVE}")
    assert sum(record.vector == 0x41 for record in native.records) == taken


def test_the_shadow_that_the_processor_casts_itself_holds_interrupts_off_too(both) -> None:
    both(
        f"{APIC_ON} sti; nop; {ONE_SHOT.format(delay=4)} mov eax, DATA0; mov ss, eax; inc ecx; inc ecx; cli"
    )


def test_priorities_and_the_task_priority_register_order_interrupts(both) -> None:
    cr8 = ".byte 0x44, 0x0f, 0x22, 0xc0"
    text = f"{APIC_ON} mov eax, 15; {cr8}; {SELF_41} {SELF_51} {SELF_42} sti; nop; nop; mov eax, 4; {cr8}; nop; xor eax, eax; {cr8}; nop; nop; cli"
    native, _ = both(text)
    assert native.vectors == [0x51, 0x42, 0x41]


@pytest.mark.parametrize("delay", [100, 12345])
def test_a_halted_guest_skips_to_its_next_interrupt(both, delay: int) -> None:
    native, run = both(ONE_SHOT.format(delay=delay) + "sti; hlt; inc eax; cli")
    assert native.counters["time.idle"] == run.counters["time.idle"] > delay - 20


def test_a_guest_that_halts_for_good_ends_the_run(both) -> None:
    for text in ("hlt", "sti; hlt", APIC_ON + "sti; hlt", ONE_SHOT.format(delay=50) + "cli; hlt"):
        native, _ = both(text)
        assert native.end.name == "HALTED"


def test_an_interrupt_that_finds_no_gate_is_a_fault(both) -> None:
    native, _ = both(f"{APIC_ON} {SELF_41} sti; nop; nop; cli", gates={0x41: {"present": False}})
    assert (native.records[0].vector, native.records[0].error) == (11, 0x41 << 3 | 3)


def test_a_guest_that_never_ends_uses_up_its_budget(both) -> None:
    native, _ = both(PERIODIC.format(period=50) + "sti; on: jmp on", budget=20_000)
    assert native.end.name == "BUDGET"
