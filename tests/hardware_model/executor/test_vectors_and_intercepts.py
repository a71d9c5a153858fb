"""Vectors from 32 on: the engine takes a raised vector for a bit of its intercepts, modulo 64 (0x30 is PUSHF's).

So interrupts are requested, not raised; whatever their number they reach their own gate and nothing exits for it.
"""

from __future__ import annotations

import pytest

from hardware_model import counters

TECHNIQUES = pytest.mark.parametrize(
    ("technique", "knobs"),
    [("native", {}), ("hvm-ept", {}), ("hvm-ept", {"tpr-shadow": False}), ("hvm-shadow", {})],
)
VECTORS = range(0x20, 0x100)
EXITS = [counter.name for counter in counters.COUNTERS if counter.name.startswith("exit.")]


def self_ipi(vector: int) -> str:
    """The interrupt comes at the NOP; the kernel itself ends it, once more where the handler has done so."""
    return f"""
     mov dword ptr [rdi+0x300], {0x40000 + vector:#x}; sti; nop; nop; cli; mov dword ptr [rdi+0xb0], 0
     pushfq; pop rax; test eax, 0x200; jne wrong
    """


@TECHNIQUES
def test_an_interrupt_of_every_vector_reaches_its_gate(run_guest, technique, knobs):
    text = "mov rdi, APIC; mov dword ptr [rdi+0xf0], 0x1ff\n" + "\n".join(
        self_ipi(vector) for vector in VECTORS
    )
    text += "jmp right; wrong: ud2; right: nop"
    run = run_guest(text, technique=technique, knobs=knobs)
    assert run.vectors == list(VECTORS)
    assert run.counters["interrupt.delivered"] == len(VECTORS)
    assert run.counters["exception.delivered"] == 0


@TECHNIQUES
def test_an_int_n_of_every_vector_reaches_its_gate(run_guest, technique, knobs):
    text = "\n".join(f"int {vector:#x}; pushfq; popfq" for vector in VECTORS)
    run = run_guest(text, technique=technique, knobs=knobs)
    assert run.vectors == list(VECTORS)
    assert run.counters["interrupt.software"] == len(VECTORS)
    assert run.counters["interrupt.delivered"] == 0


def test_no_vector_of_an_int_n_makes_anything_exit(run_guest):
    """Under VT-x with EPT the only exits are those of a guest that executes none of them, and of the handler's EOI."""

    def exits(text: str) -> dict[str, int]:
        counted = run_guest(text, technique="hvm-ept").counters
        return {name: counted[name] for name in EXITS if counted[name]}

    every = exits("\n".join(f"int {vector:#x}; pushfq; popfq" for vector in VECTORS))
    assert every == {**exits("nop"), "exit.ept_violation": len(range(0x20, 0x80))}
