"""First-generation VT-x cannot let RDTSCP through: its VMM has the guest's #UD and completes the instruction."""

from __future__ import annotations

import pytest

TWICE = "mov ecx, 0xc0000103; mov eax, 0x77; xor edx, edx; wrmsr\n rdtscp; mov [DATA], rax; mov [DATA+8], rcx\n"
TWICE += "rdtsc; sub eax, [DATA]; mov [DATA+16], rax"


@pytest.mark.parametrize("technique", ["hvm-ept", "hvm-shadow"])
def test_rdtscp_gives_virtual_time_and_processor_number_as_natively(run_guest, technique) -> None:
    native, guest = run_guest(TWICE), run_guest(TWICE, technique=technique)
    assert [guest.data(n) for n in (0, 8, 16)] == [native.data(n) for n in (0, 8, 16)]
    assert guest.data(8) == 0x77
    assert guest.machine.now == native.machine.now


def test_only_without_the_control_does_it_exit(run_guest) -> None:
    exits = {
        technique: run_guest(TWICE, technique=technique).counters["exit.exception_nmi"]
        for technique in ("hvm-ept", "hvm-shadow")
    }
    without = run_guest(TWICE.replace("rdtscp", "rdtsc"), technique="hvm-shadow")
    assert exits["hvm-ept"] == 0
    assert exits["hvm-shadow"] == without.counters["exit.exception_nmi"] + 1


@pytest.mark.parametrize("technique", ["native", "hvm-shadow"])
def test_instructions_that_do_not_exist_are_the_guests_own_fault(run_guest, technique) -> None:
    run = run_guest("? ud2\n? .byte 0x0f, 0x01, 0xc1\n", technique=technique)
    assert run.vectors == [6, 6]
