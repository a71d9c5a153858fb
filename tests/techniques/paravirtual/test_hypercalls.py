"""What Xen answers to a guest kernel that breaks the rules, and that nothing changes then."""

from __future__ import annotations

from dataclasses import astuple
from pathlib import Path

import pytest

import workloads
from hardware_model.counter_groups import MULTICALL_SIZES
from techniques import run_guest
from techniques.paravirtual.vmm import Paravirtual
from techniques.technique import Technique

from .attack_guest import (
    ARGUMENT,
    EACCES,
    EBUSY,
    EFAULT,
    EINVAL,
    ENOENT,
    ENOSYS,
    ENTRY_OF_PAGE,
    EPERM,
    ESRCH,
    FOOTER,
    HEADER,
    TO_PAGE,
    answers,
    outcome,
)

BROKEN = [
    (ENTRY_OF_PAGE + "mov rsi, rbx\n or rsi, 3\n UPDATE 0", EBUSY),
    (ENTRY_OF_PAGE + "mov rsi, rbx\n or rsi, 1\n UPDATE 0", 0),
    (ENTRY_OF_PAGE + "mov esi, 0x3003\n UPDATE 0", EBUSY),
    (ENTRY_OF_PAGE + "mov rsi, 0xfffff003\n UPDATE 0", EPERM),
    (ENTRY_OF_PAGE + "mov rsi, rax\n or rsi, 0x13\n UPDATE 0", EINVAL),
    ("lea rdi, [rbx + 256*8]\n xor esi, esi\n UPDATE 0", EINVAL),
    ("lea rdi, [rbx]\n mov esi, 0xe3\n UPDATE 0", EINVAL),
    ("mov edi, 0x3000\n mov esi, 1\n UPDATE 0", EINVAL),
    (TO_PAGE + "mov rsi, rax\n shr rsi, 12\n EXTENDED 0, 0", EINVAL),
    ("mov rsi, rbx\n shr rsi, 12\n EXTENDED 0, MMUEXT_PIN_L4_TABLE", EINVAL),
    (TO_PAGE + "mov rsi, rax\n shr rsi, 12\n EXTENDED 0, MMUEXT_UNPIN_TABLE", EINVAL),
    (TO_PAGE + "mov rsi, rax\n shr rsi, 12\n EXTENDED 0, MMUEXT_NEW_BASEPTR", EINVAL),
    ("xor esi, esi\n EXTENDED 0, 99", ENOSYS),
    ("HYPERCALL 40\n mov [rip + result], rax", ENOSYS),
    ("mov edi, 1\n HYPERCALL XEN_SET_TRAP_TABLE\n mov [rip + result], rax", EFAULT),
    ("mov rdi, 0xffff820000000000\n HYPERCALL 0\n mov [rip + result], rax", EFAULT),
    ("mov edi, 2\n mov rsi, 0x800000000000\n HYPERCALL 25\n mov [rip + result], rax", EINVAL),
    ("xor esi, esi\n EXTENDED 0, 12", EACCES),  # flush_cache
    (ARGUMENT.format(word=5, command=3, call=12), ESRCH),  # the reservation of another domain
    (ARGUMENT.format(word=0, command=1, call=12), ENOSYS),  # memory_op decrease_reservation
    (
        ARGUMENT.format(word=0x3000, command=1, call=2).replace(
            "mov edi, 1", "mov rdi, rsi\n mov esi, 1"
        ),
        EINVAL,
    ),
    (ARGUMENT.format(word=0, command=0x2004, call=10), EINVAL),  # a descriptor that is not aligned
    (ARGUMENT.format(word=0, command=9, call=25), EINVAL),  # no such segment base
    (ARGUMENT.format(word=0, command=99, call=29), ENOSYS),  # sched_op
    (ARGUMENT.format(word=40, command=3, call=32), EINVAL),  # closes a channel that is closed
    (ARGUMENT.format(word=0, command=99, call=32), ENOSYS),
    ("mov edi, 3\n mov esi, 1\n HYPERCALL 24\n mov [rip + result], rax", ENOENT),  # vcpu_op
    ("mov edi, 99\n mov edx, 1\n HYPERCALL 20\n mov [rip + result], rax", ENOSYS),
    (
        "mov rdi, 0x5000\n xor esi, esi\n xor edx, edx\n HYPERCALL 14\n mov [rip + result], rax",
        EINVAL,
    ),
    ("mov edi, 7\n mov esi, 1\n HYPERCALL 8\n mov [rip + result], rax", EINVAL),  # a breakpoint
    (ARGUMENT.format(word=0, command=99, call=30), ENOSYS),  # callback_op
    ("mov rdi, 0x800000000000\n HYPERCALL 4\n mov [rip + result], rax", EINVAL),
]
"""Requests, and what Xen answers; one of them breaks no rule."""


@pytest.mark.parametrize(("body", "answer"), BROKEN)
def test_xen_answers_a_broken_rule_with_its_error(tmp_path: Path, body: str, answer: int) -> None:
    assert answers(tmp_path, body)[0] == answer


FRAME_OF = {  # RSI = the frame of a table of each level in use
    1: ENTRY_OF_PAGE + "mov rsi, rdi\n shr rsi, 12\n",
    2: """
    mov rdi, [rip + xen_directory]
    mov rcx, KERNEL_BASE
    sub rdi, rcx
    pv_frame_to_entry rdi
    mov rsi, rdi
    shr rsi, 12
    """,
    3: """
    lea rdi, [rip + xen_direct_pointers]
    mov rcx, KERNEL_BASE
    sub rdi, rcx
    pv_frame_to_entry rdi
    mov rsi, rdi
    shr rsi, 12
    """,
}


@pytest.mark.parametrize("level", FRAME_OF)
def test_tables_of_every_level_can_be_pinned_once_and_as_what_they_are(
    tmp_path: Path, level: int
) -> None:
    again = "mov rsi, [rip + operation + 8]\n"
    commands = (level % 3, level - 1, level - 1, "MMUEXT_UNPIN_TABLE", "MMUEXT_UNPIN_TABLE")
    steps = [f"EXTENDED {index}, {command}\n" + again for index, command in enumerate(commands)]
    body = FRAME_OF[level] + "".join(steps)
    assert answers(tmp_path, body)[:5] == [EINVAL, 0, EINVAL, 0, EINVAL]


def everything(guest: Technique) -> tuple[object, ...]:
    """Memory of the whole machine, what is known of its frames, and what the domain has registered."""
    assert isinstance(guest, Paravirtual)
    domain, memory = guest.domain, guest.machine.memory
    cpu = domain.cpu
    return (
        memory.read(0, memory.size),
        [(mfn, astuple(domain.types[mfn])) for mfn in domain.types.mfns()],
        (cpu.kernel_root, cpu.user_root, cpu.kernel_stack, cpu.user_gs_base),
        (dict(cpu.traps), dict(cpu.callbacks), list(domain.gdt_frames)),
        [astuple(channel) for channel in domain.events.channels],
        [guest.machine.registers.segment(name) for name in ("fs", "gs", "cs", "ss")],
    )


@pytest.mark.parametrize("body", [body for body, answer in BROKEN if answer < 0])
def test_nothing_changes_when_xen_refuses(tmp_path: Path, body: str) -> None:
    """Byte by byte, around each call of the attack that ends with an error: its first is one that Xen lacks."""
    refused: list[int] = []

    def watch(guest: Technique) -> None:
        assert isinstance(guest, Paravirtual)
        whole = guest.hypercalls.call

        def call(number: int, arguments: tuple[int, ...]) -> int:
            watched = refused or number == 59
            before = everything(guest) if watched else ()
            answer = whole(number, arguments)
            if watched and answer < 0:
                refused.append(answer)
                assert everything(guest) == before
            return answer

        guest.hypercalls.call = call  # type: ignore[method-assign]

    source = tmp_path / "attack.asm"
    source.write_text("#: ram_mib = 4\n" + HEADER + "HYPERCALL 59\n" + body + FOOTER)
    run_guest("pv", workloads.find(source), "small", first=watch)
    assert len(refused) == 2


@pytest.mark.parametrize(("command", "size"), [(1, 16), (2, 144), (3, 1024), (4, 64), (8, 16)])
def test_what_xen_tells_of_itself_is_as_long_as_its_records(
    tmp_path: Path, command: int, size: int
) -> None:
    body = f"""
    lea rsi, [rip + page]
    mov byte ptr [rsi + {size - 1}], 255
    mov byte ptr [rsi + {size}], 255
    mov edi, {command}
    HYPERCALL XEN_VERSION
    mov [rip + result], rax
    mov ax, [rip + page + {size - 1}]
    mov [rip + result + 8], rax
    """
    assert answers(tmp_path, body)[:2] == [0, 0xFF00]


CHANNEL = """
.macro CHANNEL index, command, first, second
    mov dword ptr [rip + operation], \\first
    mov dword ptr [rip + operation + 4], \\second
    mov edi, \\command
    lea rsi, [rip + operation]
    HYPERCALL XEN_EVENT_CHANNEL_OP
    mov [rip + result + \\index * 8], rax
.endm
"""


@pytest.mark.parametrize(
    ("buffer", "size"),
    [
        (0xFFFF_8200_0000_E000, 64),
        (
            0x0000_8200_0000_E000,
            64,
        ),  # the same slots of the tables, by an address that is not canonical
        (0x1234_8200_0000_E000, 64),
        (0x0000_8000_0000_0000, 8),
        (0xFFFF_FFFF_FFFF_FFF8, 64),  # runs over the end
    ],
)
def test_no_pointer_reaches_the_hypervisors_memory(tmp_path: Path, buffer: int, size: int) -> None:
    body = f"""
    xor edi, edi                 # CONSOLEIO_write
    mov esi, {size}
    mov rdx, {buffer:#x}
    HYPERCALL 18
    mov [rip + result], rax
"""
    ended = outcome(tmp_path, body)
    assert (
        ended.outcome_parts["result"][:16] == (EFAULT & (1 << 64) - 1).to_bytes(8, "little").hex()
    )
    assert ended.console == b"trapbench kernel\n"


def test_event_channels_are_bound_once_and_closed_once(tmp_path: Path) -> None:
    bind, send, close, status = "1, 1, 0", "4, {}, 0", "3, {}, 0", "5, 0x7ff0, {}"
    steps = [
        bind,
        bind,
        close.format(4),
        send.format(4),
        bind,
        send.format(4),
        status.format(4),
        send.format(0),
    ]
    body = CHANNEL + "\n".join(f" CHANNEL {n}, {step}" for n, step in enumerate(steps))
    assert answers(tmp_path, body) == [0, -17, 0, EINVAL, 0, EINVAL, 0, EINVAL]


def test_a_failing_entry_of_a_multicall_leaves_the_others_alone(tmp_path: Path) -> None:
    body = """
    lea rdi, [rip + page]
    mov qword ptr [rdi], 40          # no such call
    mov qword ptr [rdi + 64], XEN_VERSION
    mov esi, 2
    HYPERCALL XEN_MULTICALL
    mov [rip + result], rax
    mov rax, [rip + page + 8]
    mov [rip + result + 8], rax
    mov rax, [rip + page + 72]
    mov [rip + result + 16], rax
    """
    assert answers(tmp_path, body)[:3] == [0, ENOSYS, 4 << 16 | 17]


def test_calls_that_xen_lacks_are_counted_by_number_and_multicalls_by_size(tmp_path: Path) -> None:
    """Three multicalls of 1, 3 and 40 entries, all zeros but for the numbers 40 and 39 and a great one."""
    body = """
    lea rdi, [rip + page]
    mov qword ptr [rdi], 40
    mov esi, 1
    HYPERCALL XEN_MULTICALL
    mov qword ptr [rip + page], 39
    mov qword ptr [rip + page + 64], 40
    mov qword ptr [rip + page + 128], 1000
    lea rdi, [rip + page]
    mov esi, 3
    HYPERCALL XEN_MULTICALL
    mov qword ptr [rip + page + 128], 39
    lea rdi, [rip + page]
    mov esi, 40
    HYPERCALL XEN_MULTICALL
    """
    counts = outcome(tmp_path, body).counters_total
    numbers = {n: c for n, c in counts.items() if n.startswith("hypercall.unimplemented")}
    assert numbers == {
        "hypercall.unimplemented": 7,
        "hypercall.unimplemented.39": 3,
        "hypercall.unimplemented.40": 3,
        "hypercall.unimplemented.other": 1,
    }
    assert {n: counts.get(f"pv.multicall.{n}", 0) for n in MULTICALL_SIZES} == {
        **{1: 1, 2: 1, 4: 0, 8: 0, 16: 0},
        32: 1,
    }
