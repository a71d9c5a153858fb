"""What the accounted machine is compared with: the engine alone, and under Python hooks."""

from __future__ import annotations

from hardware_model import boot
from hardware_model import counters as counter_table
from hardware_model.executor.bare_engine import BareEngine
from hardware_model.executor.words import Mode
from hardware_model.machine import End, Machine

RAM = 16 << 20
#: mov ecx, 100; l: push rcx; pop rcx; mov [rsp-64], rcx; mov rax, [rsp-64]; dec ecx; jnz l; hlt
LOOP = bytes.fromhex("b964000000 51 59 48894c24c0 488b4424c0 ffc9 75f0 f4")
INSTRUCTIONS = 1 + 6 * 100 + 1


def test_python_hooks_count_every_instruction_block_read_and_write() -> None:
    engine = BareEngine(RAM)
    counts = engine.count_with_python_hooks()
    engine.run(boot.load(engine, RAM, LOOP, []))
    assert (counts.instructions, counts.reads, counts.writes) == (INSTRUCTIONS, 200, 200)
    assert counts.system_calls == 0


def test_the_accounted_machine_counts_what_the_hooks_count() -> None:
    engine, machine = BareEngine(RAM), Machine(RAM)
    counts = engine.count_with_python_hooks()
    engine.run(boot.load(engine, RAM, LOOP, []))
    machine.load_state(boot.load(machine.memory, RAM, LOOP, []))
    assert machine.run(Mode.BARE) is End.HALTED
    counted = counter_table.as_dict(machine.profile.counters())
    assert counts.instructions == machine.instructions == INSTRUCTIONS
    assert counts.blocks == counted["blocks"]
    assert counts.reads == counted["insn.pop"] + counted["insn.load"]
    assert counts.writes == counted["insn.push"] + counted["insn.store"]


def test_the_hooks_see_system_calls_that_the_engine_passes_over() -> None:
    engine = BareEngine(RAM)
    counts = engine.count_with_python_hooks()
    engine.run(boot.load(engine, RAM, bytes.fromhex("0f05 0f05 f4"), []))
    assert (counts.system_calls, counts.instructions) == (2, 3)
