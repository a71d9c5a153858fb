"""The VMMs' instruction emulator: stores to a traced page table, in every form that it knows."""

from __future__ import annotations

import pytest

from hardware_model.machine import Machine
from techniques.emulator import Emulator
from techniques.guest import GuestMemory
from techniques.technique import GuestError
from techniques.virtual_platform import VirtualPlatform
from tests.small_guest import DATA, VA

CF, ZF, ALL = 1, 0x40, 0x3F7FD5
# RBX: entry 200 of the root table, which leads nowhere; the stores leave its entries not present.
STORES = (
    "mov byte ptr [rbx], 0x42",
    "mov [rbx+1], ah",
    "mov word ptr [rbx+2], 0x1234",
    "mov [rbx+4], eax",
    "mov qword ptr [rbx+8], -2",
    "mov [rbx+rcx*8], rax",
    "mov [rbx+rcx*8-4], r9d",
    "movnti [rbx+40], rax",
    "and qword ptr [rbx+8], 0x70",
    "or byte ptr [rbx+8], 0x82",
    "xor [rbx+8], rax",
    "add qword ptr [rbx+16], -2",
    "sub word ptr [rbx+16], 0x7ffe",
    "inc qword ptr [rbx+17]",
    "dec qword ptr [rbx+17]",
    "lock bts qword ptr [rbx+8], 5",
    "lock btr [rbx+8], rcx",
    "btc qword ptr [rbx+8], 63",
    "xchg [rbx+24], rax",
    "lock xadd [rbx+24], rcx",
    "lock cmpxchg [rbx+24], rdx",
    "lock cmpxchg [rbx+24], r9",
    "mov rdi, rbx; stosq",
    "lea rdi, [rbx+48]; lea rsi, [rbx]; movsq",
    "lea rdi, [rbx+64]; mov ecx, 3; rep stosq",
)
START = f"mov rbx, cr3; mov rax, {VA + 200 * 8:#x}; add rbx, rax; mov rax, 0x1122334455667788; mov rdx, 0x7654\n"
START += "mov ecx, 3; mov r9, 0x8877665544332210; xor esi, esi\n"
PROGRAM = START + "\n".join(
    f"push 3; popfq\n {store}\n pushfq; pop r8; mov r10, {DATA + 32 * n:#x}; mov [r10], r8; mov [r10+8], rax; mov [r10+16], rcx"
    for n, store in enumerate(STORES)
)


def test_every_form_of_store_leaves_memory_registers_and_flags_as_natively(run_guest) -> None:
    native, guest = run_guest(PROGRAM), run_guest(PROGRAM, technique="hvm-shadow")
    for n, store in enumerate(STORES):
        flags = CF | ZF if "bt" in store else ALL  # others are undefined after bit tests
        seen = [
            (run.data(32 * n) & flags, run.data(32 * n + 8), run.data(32 * n + 16))
            for run in (native, guest)
        ]
        assert seen[0] == seen[1], store
    table = VA + native.machine.registers.cr(3) + 200 * 8
    assert guest.read(table, 128) == native.read(table, 128)
    assert guest.counters["mmu.pte_write"] == len(STORES) + 2  # three rounds of REP STOSQ


def test_a_store_that_it_does_not_know_is_named(boot_guest) -> None:
    run = boot_guest(START + "mov word ptr [rbx], ds", technique="hvm-shadow")
    with pytest.raises(GuestError, match=r"does not know the store at 0x\w+: mov \[rbx\],ds"):
        run.run()


def test_an_operand_that_crosses_into_another_page_is_wherever_each_page_is() -> None:
    machine = Machine(1 << 22)
    memory, written = GuestMemory(machine.memory, 0, 1 << 22), []
    frames = {1: 0x1000, 5: 0x9000, 6: 0x20000}
    emulator = Emulator(
        machine,
        memory,
        VirtualPlatform(machine),
        lambda linear: frames[linear >> 12] + linear % 0x1000 if linear >> 12 in frames else None,
        lambda gpa, size: written.append((gpa, size)),
        lambda gpa: None,
    )
    memory.write(0x1000, b"\x48\x01\x03\x48\x89\x03")  # add [rbx], rax; mov [rbx], rax
    memory.write64(0x20000, 0x77)
    machine.registers.rip, machine.registers.gpr[0], machine.registers.gpr[3] = (
        0x1000,
        1 << 32,
        0x5FFD,
    )
    emulator.store()
    assert memory.read64(0x20000) == 0x77 + (1 << 8)
    assert written == [(0x9FFD, 3), (0x20000, 5)]
    del frames[6]
    with pytest.raises(GuestError, match="no guest memory at linear address 0x6000"):
        emulator.store()
    assert len(written) == 2, "nothing is written when a part cannot be"
