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
