"""The local APIC of a guest whose interrupts are posted: every register and the timer as on the bare machine."""

from __future__ import annotations

import pytest

import techniques
import workloads

POSTED = {"passthrough.interrupts": "posted"}
SOURCE = """#: title = "Registers of the local APIC"
#: stresses = "the local APIC"
#: outcome = "result: every register after some were written, then the timer's count three times"
#: slots = ["registers"]
#: small = { }
#: standard = { }
#: large = { }
@kernel
.macro STORE register, value
    mov dword ptr [r8 + \\register], \\value
.endm
workload_main:
    mov r8, LOCAL_APIC
    STORE 0xd0, 0x01000000
    STORE 0xe0, 0x0fffffff
    STORE 0xf0, 0x1fe
    STORE APIC_DIVIDE, APIC_DIVIDE_BY_1
    STORE APIC_LVT_TIMER, 0x100e0
    STORE 0x350, 0x10700
    STORE 0x80, 0x25
    STORE 0x310, 0x05000000
    STORE APIC_ICR_LOW, 0x000e2
    STORE APIC_ICR_LOW, 0x400e1
    STORE APIC_INITIAL_COUNT, 100000
    lea rdi, [rip + result]
    xor ecx, ecx
.next:
    mov eax, [r8 + rcx]
    mov [rdi], eax
    add rdi, 4
    add ecx, 16
    cmp ecx, 0x400
    jb .next
    .rept 3
    mov eax, [r8 + APIC_CURRENT_COUNT]
    mov [rdi], eax
    add rdi, 4
    .endr
    STORE APIC_INITIAL_COUNT, 5000
    mov eax, [r8 + APIC_CURRENT_COUNT]
    mov [rdi], eax
    xor eax, eax
    ret
"""


@pytest.mark.parametrize("technique", ["hvm-ept", "hvm-shadow"])
@pytest.mark.parametrize("interrupts", ["exit", "posted", "direct"])
def test_every_register_reads_as_natively(tmp_path, technique, interrupts):
    file = tmp_path / "apic.asm"
    file.write_text(SOURCE)
    workload, knobs = workloads.find(file), {"passthrough.interrupts": interrupts}
    native = techniques.run_guest("native", workload, "small")
    found = techniques.run_guest(technique, workload, "small", io="passthrough", knobs=knobs)
    assert native.outcome_parts["result"]
    assert found.status == "ok", found.reason
    assert found.outcome_parts == native.outcome_parts
    assert found.instructions == native.instructions


@pytest.mark.parametrize("technique", ["hvm-ept", "hvm-shadow"])
@pytest.mark.parametrize(
    "name", ["kernel/pipe", "exit/self-ipi", "exit/hlt-timer", "code/tiny-jit"]
)
def test_guests_with_timers_and_processes_end_as_natively(technique, name):
    native = techniques.run_guest("native", workloads.find(name), "small")
    found = techniques.run_guest(
        technique, workloads.find(name), "small", io="passthrough", knobs=POSTED
    )
    assert found.status == "ok", found.reason
    assert found.outcome_parts == native.outcome_parts
    assert found.instructions == native.instructions
    assert found.counters_roi.get("injection.interrupt", 0) == 0
