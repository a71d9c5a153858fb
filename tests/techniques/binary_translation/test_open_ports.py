"""Ports that translated code accesses by itself: at every width, beside other ports, with interrupts at any place.

Of the machine's UART, whose scratch register holds what was written, the ports are open; the guest has the interrupt
controllers and all else from the VMM.
"""

from __future__ import annotations

import pytest

from techniques.binary_translation import counts as counted
from techniques.binary_translation.unit import Kind
from tests.conftest import SmallGuest, boot_native
from tests.small_guest import APIC, DATA
from tests.techniques.binary_translation.conftest import BUDGET, boot_translated, seen

SCRATCH, LINE_STATUS, MASK = 0x3FF, 0x3FD, 0x21
COM1 = 0x3F8
TIMER = f"""
mov rbx, {APIC:#x}; mov dword ptr [rbx+0xf0], 0x1ff; mov dword ptr [rbx+0x3e0], 0xb
mov dword ptr [rbx+0x320], 0x20041; mov dword ptr [rbx+0x380], {{period:#x}}; sti
"""
MIXED = f"""
 mov edi, 0x40; xor ebp, ebp; stc
again:
 mov eax, 0x11223344; lea eax, [rax + rdi]; mov edx, {SCRATCH:#x}; out dx, al; mov eax, -1; in al, dx; lea ebp, [rbp + rax]
 mov edx, {MASK:#x}; in al, dx; lea ebp, [rbp + rax]
 mov edx, {SCRATCH - 1:#x}; in ax, dx; lea ebp, [rbp + rax]; mov eax, 0x7700; out dx, ax
 mov edx, {SCRATCH - 3:#x}; in eax, dx; lea ebp, [rbp + rax]
 in al, {MASK:#x}; lea ebp, [rbp + rax]
 lea edi, [rdi - 1]; lea rcx, [rdi]; jrcxz done; jmp again
done: pushfq; pop rax; mov [DATA], rax; mov [DATA+8], rbp; cli
"""


def run(text, first=COM1, count=8):
    """A guest natively, and translated with the UART's ports open, or some of them."""
    native = boot_native(SmallGuest(text)).run(BUDGET)
    translated, vmm = boot_translated(SmallGuest(text))
    vmm.open_ports(first, count)
    return native, translated.run(BUDGET), vmm


@pytest.mark.parametrize("period", [0, 97, 211, 401])
def test_accesses_do_what_they_do_natively_at_the_same_instructions(period):
    native, translated, vmm = run((TIMER.format(period=period) if period else "") + MIXED)
    assert seen(translated) == seen(native)
    other = 5  # while booting, and the debug-exit port
    assert (
        vmm.bt_counts[counted.BY_KIND[Kind.EMULATE]] == 2 * 64 + other
    )  # of the mask, by DX and not


@pytest.mark.parametrize("period", [0, 83, 157])
def test_a_port_whose_value_is_held_and_one_that_is_open_share_an_instruction(period):
    """The loop's IN finds the line status, which the VMM's UART gives, and the scratch register of the machine's."""
    text = f"""
     mov edi, 0x40; xor ebp, ebp; mov edx, {LINE_STATUS:#x}; stc
    again:
     mov eax, -1; in al, dx; lea ebp, [rbp + rax]; xchg edx, esi; mov al, 0x5a; lea eax, [rax + rdi]
     lea edi, [rdi - 1]; lea rcx, [rdi]; jrcxz done; jmp again
    done: pushfq; pop rax; mov [DATA], rax; mov [DATA+8], rbp; cli
    """
    text = f"mov esi, {SCRATCH:#x}; mov edx, esi; mov al, 0x77; out dx, al\n" + text
    timer = TIMER.format(period=period) if period else ""
    native, translated, vmm = run(timer + text, SCRATCH - 1, 2)
    assert seen(translated) == seen(native)
    assert sum(n for (name, _), n in vmm.hot_exits.items() if name == "in") == 1  # the first look


def test_the_first_access_traps_and_no_other_needs_the_vmm():
    text = f"mov edx, {SCRATCH:#x}; mov ecx, 100; again: out dx, al; in al, dx; loop again"
    native, translated, vmm = run(text)
    assert seen(translated) == seen(native)
    noted = [(name, n) for (name, _), n in vmm.hot_exits.items() if name in ("port", "in", "out")]
    assert noted == [("port", 1), ("out", 1)]  # the latter to the debug-exit port


def test_an_access_that_reaches_beyond_the_open_ports_is_the_vmms():
    """Its last byte's bit in the TSS is set, so that it faults, and the VMM performs it."""
    _, translated, vmm = run(f"mov edx, {SCRATCH:#x}; in al, dx; in ax, dx; mov [{DATA:#x}], ax")
    assert translated.platform.exit_port.status == 0
    assert [n for (name, _), n in vmm.hot_exits.items() if name == "in"] == [1]


def test_user_code_that_is_entered_from_the_cache_finds_the_ports_closed():
    text = f"""
    mov edi, 20
    in_kernel: mov edx, {SCRATCH:#x}; in al, dx
    push DATA3; push USER_STACK; push 0x202; push CODE3; push USER; iretq
    """
    user = f"mov edx, {SCRATCH:#x}; ? in al, dx; mov edx, 0xf4; xor eax, eax; out dx, eax"
    native = boot_native(SmallGuest(text, user=user)).run(BUDGET)
    translated, vmm = boot_translated(SmallGuest(text, user=user))
    vmm.open_ports(COM1, 8)
    translated.run(BUDGET)
    assert seen(translated) == seen(native)
    assert [record for record in native.records if record]  # the program's #GP
    assert not vmm.shadow.window.ports_shown
