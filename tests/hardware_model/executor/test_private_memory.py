"""What the executor keeps above the guest's memory is out of the guest's reach."""

from __future__ import annotations

from keystone import KS_ARCH_X86, KS_MODE_64, Ks

from hardware_model import boot
from hardware_model.assembly_numbers import hexadecimal
from hardware_model.executor.guest_mode import PRIVATE_BYTES
from hardware_model.executor.words import Mode
from hardware_model.machine import End, Machine

RAM = 8 << 20
ABOVE = boot.KERNEL_BASE + RAM
TEXT = f"""
 mov rdi, {ABOVE}
 mov rbx, -1
 mov ecx, {PRIVATE_BYTES // 8}
next:
 mov rdx, [rdi]
 and rbx, rdx
 mov qword ptr [rdi], 0
 add rdi, 8
 dec ecx
 jnz next
 hlt
"""


def test_a_guest_that_maps_the_memory_above_its_own_finds_nothing_there() -> None:
    """It maps a large page there; loads give all ones, as where no memory answers, and stores go nowhere."""
    machine = Machine(RAM)
    code, _ = Ks(KS_ARCH_X86, KS_MODE_64).asm(
        hexadecimal(TEXT), boot.KERNEL_BASE + boot.IMAGE_BASE, as_bytes=True
    )
    state = boot.load(machine.memory, RAM, code or b"", [])
    machine.memory.write(boot.DIRECTORY + 8 * (RAM >> 21), (RAM | 0x83).to_bytes(8, "little"))
    machine.load_state(state)
    private = machine.engine.private
    before = private.copy()
    assert before.any()
    assert machine.run(Mode.BARE) is End.HALTED
    assert machine.engine.registers.gpr[3] == (1 << 64) - 1
    assert (private == before).all()
