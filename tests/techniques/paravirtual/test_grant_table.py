"""Grants and event channels between a guest and a back end: rights, references and notifications."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import workloads
from hardware_model import counters
from hardware_model.machine import Machine
from techniques.paravirtual import abi
from techniques.paravirtual.abi import GrantStatus, HypercallError
from techniques.paravirtual.domain_builder import CONSOLE_PORT
from techniques.paravirtual.grant_table import GrantError
from techniques.paravirtual.page_types import FrameType
from techniques.paravirtual.vmm import Paravirtual
from techniques.runner import guest_image

from .attack_guest import FOOTER, HEADER, TO_PAGE

SET_UP = """
.macro GRANT command, record
    mov edi, \\command
    lea rsi, [rip + \\record]
    mov edx, 1
    HYPERCALL 20
.endm
    GRANT 2, setup                   # one frame of entries, mapped in place of `table`
    movsx rax, word ptr [rip + setup + 8]
    mov [rip + result], rax
    lea rdi, [rip + table]
    mov rsi, [rip + table_mfn]
    shl rsi, 12
    mov rax, XEN_SHARED_FLAGS
    or rsi, rax
    mov edx, UVMF_INVLPG
    HYPERCALL XEN_UPDATE_VA_MAPPING
"""
CHANNEL = """
    mov edi, 6                       # alloc_unbound, for domain 0
    lea rsi, [rip + channel]
    HYPERCALL XEN_EVENT_CHANNEL_OP
    mov eax, [rip + channel + 4]
    mov [rip + result + 8], rax
    lea rcx, [rip + xen_vectors]
    mov byte ptr [rcx + rax], VECTOR_SELF_IPI
"""
GRANTS = f"""
    {TO_PAGE}
    shr rax, 12
    mov [rip + table + 8*8 + 4], eax  # grant 8: page, for reading and writing; 9: for reading
    mov dword ptr [rip + table + 8*8], 1
    mov [rip + table + 9*8 + 4], eax
    mov dword ptr [rip + table + 9*8], 5
    mov dword ptr [rip + table + 10*8 + 4], 3
    mov dword ptr [rip + table + 10*8], 1   # 10: a frame that is not the domain's
    mov [rip + table + 11*8 + 4], eax
    mov dword ptr [rip + table + 11*8], 0x20001  # 11: for domain 2
    shr rbx, 12
    mov [rip + table + 12*8 + 4], ebx
    mov dword ptr [rip + table + 12*8], 1   # 12: a page table
    mov qword ptr [rip + page], 0x1234
"""
CALL_BACKEND = """
    mov dword ptr [rip + operation], 2
    lea rsi, [rip + operation]
    mov edi, EVTCHNOP_SEND
    HYPERCALL XEN_EVENT_CHANNEL_OP
"""
DATA = """
@kernel_data
.align 8
setup: .long 0x7ff0, 1, 0, 0
    .quad table_mfn
table_mfn: .quad 0
channel: .long 0x7ff0, 0
copy: .zero 40
.align PAGE
table: .zero PAGE
"""


def run(tmp_path: Path, body: str, backend: Callable[[Paravirtual], None]) -> list[int]:
    source = tmp_path / "grants.asm"
    source.write_text(HEADER + SET_UP + body + FOOTER + DATA)
    workload = workloads.find(source)
    image = guest_image(workload, "small", ported=True)
    settings = {knob.name: knob.default for knob in Paravirtual.knobs}
    guest = Paravirtual(Machine(Paravirtual.vmm_bytes + image.ram_bytes), image, settings)
    guest.open_console = lambda frame: guest.domain.events.open_interdomain(  # type: ignore[method-assign]
        CONSOLE_PORT, lambda: backend(guest)
    )
    guest.run(100_000_000)
    assert guest.platform.exit_port.status == 0, bytes(guest.platform.uart.output)
    at = image.symbols["result"] - 0xFFFFFFFF80000000
    return [guest.memory.read64(at + 8 * n) for n in range(8)]


def test_a_back_end_maps_what_is_granted_and_nothing_else(tmp_path: Path) -> None:
    seen: list[object] = []

    def backend(guest: Paravirtual) -> None:
        grants, types = guest.domain.grants, guest.domain.types
        page = grants.map(8, write=True)
        mfn = page.address >> 12
        before = types[mfn].type_count
        seen.append(page.read(0, 2))
        page.write(8, b"\x99")
        reader = grants.map(9, write=False)
        with pytest.raises(GrantError, match="mapped for reading"):
            reader.write(0, b"x")
        with pytest.raises(IndexError):
            page.read(4090, 8)
        with pytest.raises(HypercallError):  # in use by the back end: no page table
            types.get_page_type(mfn, FrameType.L1)
        seen.append(int.from_bytes(guest.machine.memory.read(grants.frames[0] + 64, 2), "little"))
        grants.unmap(page)
        grants.unmap(reader)
        with pytest.raises(GrantError):
            grants.unmap(page)
        assert types[mfn].type_count == before - 1
        for reference, write, status in (
            (9, True, GrantStatus.GENERAL_ERROR),
            (10, False, GrantStatus.BAD_PAGE),
            (11, False, GrantStatus.GENERAL_ERROR),
            (12, True, GrantStatus.BAD_PAGE),
            (13, False, GrantStatus.GENERAL_ERROR),
            (512, False, GrantStatus.BAD_REFERENCE),
        ):
            with pytest.raises(GrantError) as refused:
                grants.map(reference, write=write)
            assert refused.value.status is status

    body = GRANTS + CALL_BACKEND + "mov rax, [rip + page + 8]\n mov [rip + result + 8], rax\n"
    body += "movzx eax, word ptr [rip + table + 64]\n mov [rip + result + 16], rax"
    assert run(tmp_path, body, backend)[:3] == [0, 0x99, 1]
    assert seen == [b"\x34\x12", 0x19]


def test_a_back_end_copies_and_is_counted(tmp_path: Path) -> None:
    def backend(guest: Paravirtual) -> None:
        grants = guest.domain.grants
        assert grants.read(9, 0, 2) == b"\x34\x12"
        grants.write(8, 8, b"\x77\x01")
        with pytest.raises(GrantError):
            grants.write(9, 0, b"x")
        with pytest.raises(GrantError):
            grants.read(9, 4095, 2)
        counts = counters.as_dict(guest.machine.counters, ["pv.grant_copy", "pv.grant_copy.bytes"])
        assert counts == {"pv.grant_copy": 2, "pv.grant_copy.bytes": 4}

    body = GRANTS + CALL_BACKEND + "mov rax, [rip + page + 8]\n mov [rip + result + 8], rax\n"
    assert run(tmp_path, body, backend)[:2] == [0, 0x177]


def test_an_allocated_channel_joins_guest_and_back_end_both_ways(tmp_path: Path) -> None:
    heard: list[int] = []

    def backend(guest: Paravirtual) -> None:
        events = guest.domain.events
        port = guest.memory.read64(guest.image.symbols["result"] - 0xFFFFFFFF80000000 + 8)
        with pytest.raises(HypercallError):
            events.bind_backend(CONSOLE_PORT, lambda: None)
        events.bind_backend(port, lambda: heard.append(port))
        with pytest.raises(HypercallError):
            events.bind_backend(port, lambda: None)

    send = "mov eax, [rip + channel + 4]\n mov [rip + operation], eax\n"
    send += CALL_BACKEND.replace("mov dword ptr [rip + operation], 2", "")
    pending = "mov rax, [rip + xen_shared_info + SHARED_CHANNELS_PENDING]\n"
    body = CHANNEL + CALL_BACKEND + send + pending + "mov [rip + result + 16], rax"
    status, port, word = run(tmp_path, body, backend)[:3]
    assert (status, heard) == (0, [port])
    assert word >> port & 1  # binding tells the guest once, in case it has missed an event


def test_the_guest_copies_between_a_frame_and_a_grant_to_itself(tmp_path: Path) -> None:
    body = f"""{GRANTS}
    mov dword ptr [rip + table + 8*8], 0x10001   # to itself, domain 1
    {TO_PAGE}
    shr rax, 12
    mov [rip + copy], rax
    mov word ptr [rip + copy + 8], 0x7ff0
    mov qword ptr [rip + copy + 16], 8
    mov word ptr [rip + copy + 24], 0x7ff0
    mov word ptr [rip + copy + 26], 16
    mov word ptr [rip + copy + 32], 8
    mov word ptr [rip + copy + 34], 2
    GRANT 5, copy
    mov rax, [rip + page + 16]
    mov [rip + result + 8], rax
    movsx rax, word ptr [rip + copy + 36]
    mov [rip + result + 16], rax
    mov word ptr [rip + copy + 26], 4090
    GRANT 5, copy
    movsx rax, word ptr [rip + copy + 36]
    mov [rip + result + 24], rax
    GRANT 99, copy
    mov [rip + result + 32], rax
    """
    results = run(tmp_path, body, lambda guest: None)
    assert results[:3] == [0, 0x1234, 0]
    assert results[3] == GrantStatus.BAD_COPY_ARGUMENT % (1 << 64)
    assert results[4] == -abi.Errno.ENOSYS % (1 << 64)
