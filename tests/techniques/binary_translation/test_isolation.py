"""What the guest's kernel finds where its VMM's region lies: natively nothing, and translated nothing but for what is listed."""

from __future__ import annotations

import pytest

from techniques.binary_translation.layout import (
    CACHE,
    PORT_ASKS,
    PORT_VALUES,
    REGION,
    REGION_BYTES,
    STATE,
    STATE_FIELDS,
    TABLES,
)
from techniques.technique import GuestError
from tests.conftest import SmallGuest
from tests.small_guest import KERNEL
from tests.small_guest import VA as KERNEL_BASE
from tests.techniques.binary_translation.conftest import boot_translated, differences

CODE = (REGION + CACHE, REGION + CACHE + 0x40, REGION + REGION_BYTES - 8)
TABLES_OF_THE_VMM = (REGION + TABLES, REGION + CACHE - 8, REGION + PORT_ASKS, REGION + PORT_VALUES)
HOLES = (REGION, REGION + STATE - 8, REGION + STATE + 0x1000, REGION + REGION_BYTES)
TO_USER = "push DATA3; mov rbx, USER_STACK; push rbx; push 0x202; push CODE3; mov rbx, USER; push rbx; iretq"
LEAVE = "mov edx, 0xf4; xor eax, eax; out dx, eax"


@pytest.mark.parametrize("address", [*CODE, *HOLES], ids=hex)
def test_reading_translated_code_faults_as_natively(address: int) -> None:
    reads = "?mov rax, [rsi]\n?movzx ebx, byte ptr [rsi]\nmov rdi, DATA\n?movsq\n?push qword ptr [rsi]\n"
    assert differences(f"mov rsi, {address:#x}\n{reads}") == []


@pytest.mark.parametrize("address", [*CODE, *TABLES_OF_THE_VMM, *HOLES], ids=hex)
def test_writing_to_anything_but_the_state_page_faults_as_natively(address: int) -> None:
    writes = "?mov [rdi], rax\n?add byte ptr [rdi], 1\n?stosq\n?xchg [rdi], rax\n"
    assert differences(f"mov rdi, {address:#x}\n{writes}") == []


@pytest.mark.parametrize("address", [*CODE, *TABLES_OF_THE_VMM, REGION + STATE, *HOLES], ids=hex)
def test_jumping_there_faults_as_natively(address: int) -> None:
    jumps = "?jmp rsi\n?call rsi\nmov [rsp - 8], rsi\n?jmp qword ptr [rsp - 8]\npush rsi\n?ret\n"
    assert differences(f"mov rsi, {address:#x}\n{jumps}") == []


@pytest.mark.parametrize("address", [*CODE, *TABLES_OF_THE_VMM, REGION + STATE, *HOLES], ids=hex)
def test_user_code_reaches_none_of_it(address: int) -> None:
    user = f"mov rsi, {address:#x}; ?mov rax, [rsi]; ?mov [rsi], rax; ?jmp rsi; {LEAVE}"
    assert differences(TO_USER, user=user) == []


HARMED = """
mov rdi, {address:#x}
mov rax, {value:#x}
mov [rdi], rax
cli
sti
pushfq
popfq
mov rbx, cr8
mov cr8, rbx
call function
lar ebx, edx
wbinvd
mov rax, cr2
int 0x80
int3
jmp over
function:
ret
over:
"""


@pytest.mark.parametrize("value", [0, (1 << 64) - 1, KERNEL, 0x8000000000000000], ids=hex)
@pytest.mark.parametrize("field", [name for name in STATE_FIELDS if not name.startswith("port")])
def test_a_kernel_that_stores_to_the_state_page_harms_itself_alone(field: str, value: int) -> None:
    text = HARMED.format(address=REGION + STATE + STATE_FIELDS[field], value=value)
    run, vmm = boot_translated(SmallGuest(text))
    try:
        run.run(100_000)
    except GuestError as error:
        assert len(str(error).splitlines()) == 1
    assert run.machine.registers.cpl in (1, 3)
    assert vmm.cpu.iopl in range(4) and run.platform.apic.task_priority in range(256)


SLOT = 271
OWN = 0xFFFF_0000_0000_0000 | SLOT << 39
MAPS_THE_SLOT = f"""
mov rsi, cr3
lea rsi, [rsi + {KERNEL_BASE - (1 << 64)}]
mov rdi, 0xffffffff80300000
mov rax, 0x301003
mov [rdi + 8], rax
mov rax, 0x83
mov [rdi + 0x1000], rax
mov rax, 0x300003
mov [rsi + {8 * SLOT}], rax
"""
"""Linear OWN + 1 GiB, where the region lies, is physical 0 (a PML4 entry, two tables, a page of 2 MiB)."""


@pytest.mark.parametrize("policy", ["trace", "unsync"])
def test_a_guest_that_uses_the_slot_finds_its_own_memory_there(policy: str) -> None:
    body = (
        f"mov ecx, 5\nagain:\ncall function\nloop again\n{MAPS_THE_SLOT}mov rdi, {REGION:#x}\n"
        f"mov rbx, [rdi + {STATE:#x}]\nmov qword ptr [rdi + {STATE + 0x80:#x}], 0x1234\n"
        f"add rbx, [rdi + {STATE + 0x80:#x}]\nmov rdx, [rdi + {PORT_ASKS:#x}]\n"
        "mov ecx, 5\nmore:\ncall function\ncli\npushfq\npop r8\nloop more\nint3\njmp over\n"
        "function:\ninc rax\nret\nover:\n"
    )
    assert differences(body, {"shadow.policy": policy}) == []


def test_a_guest_that_maps_slot_after_slot_drives_the_window_before_it(translated) -> None:
    maps = MAPS_THE_SLOT + "".join(
        f"mov [rsi + {8 * slot}], rax\nnop\n" for slot in range(270, 255, -1)
    )
    run, vmm = translated(maps + "mov rsi, 0xffff800040000000\nmov rbx, [rsi]\n")
    assert vmm.shadow.window.slot == 510
    assert run.counters["bt.flush"] >= 16


def test_a_slot_that_another_root_uses_is_left_when_that_root_is_loaded(translated) -> None:
    body = (
        MAPS_THE_SLOT.replace(
            "mov rsi, cr3",
            f"mov rsi, cr3\nmov r8, rsi\nlea rsi, [rsi + {KERNEL_BASE - (1 << 64)}]\nmov rdi, 0xffffffff80310000\nmov ecx, 512\nrep movsq\nmov esi, 0x310000",
        )
        + f"mov eax, 0x310000\nmov cr3, rax\nmov rdi, {REGION:#x}\nmov rbx, [rdi + {STATE:#x}]\nmov cr3, r8\nnop\n"
        f"mov cr3, rax\nmov rbx, [rdi + {TABLES - 0x100000:#x}]\nmov cr3, r8\n?mov rbx, [rdi]\n"
    )
    run, vmm = translated(body)
    assert [record.vector for record in run.records] == [14]
    assert vmm.shadow.window.slot != SLOT
