"""Exceptions of a running guest against the exception bitmap, the page-fault masks, and nested delivery."""

from __future__ import annotations

import pytest

from hardware_model.machine import End
from hardware_model.vmx.controls import Secondary
from hardware_model.vmx.exit_reasons import Reason
from hardware_model.vmx.fields import Field
from tests.small_guest import DATA, LOG

VALID, ERROR = 1 << 31, 1 << 11
EXCEPTION, SOFTWARE_INTERRUPT, SOFTWARE_EXCEPTION = 3 << 8, 4 << 8, 6 << 8
ENTER_USER = "push DATA3; push USER_STACK; push 2; push CODE3; push USER; iretq\n"
END = "; mov edx, 0xf4; xor eax, eax; out dx, eax"
NOT_PRESENT = {"present": False}


def event(vector: int, kind: int = EXCEPTION, error: bool = False) -> int:
    """Interruption information."""
    return VALID | kind | vector | (ERROR if error else 0)


def skips(run, seen):
    """A VMM that steps over the instruction that faulted."""
    run.vmx.write(Field.GUEST_RIP, run.at("behind"))
    return True


CASES = [
    ("xor ecx, ecx; here: div ecx", 0, None, 0),
    ("here: ud2", 6, None, 0),
    ("mov rax, cr0; or eax, 8; mov cr0, rax; here: fnop", 7, None, 0),
    ("mov ax, 0x50; here: mov ds, ax", 11, 0x50, 0),
    ("mov ax, 0x50; here: mov ss, ax", 12, 0x50, 0),
    ("mov ax, 0x53; here: mov ds, ax", 13, 0x50, 0),
    ("here: mov eax, [0x700123]", 14, 0, 0x700123),
    ("here: mov [0x700123], eax", 14, 2, 0x700123),
]


@pytest.mark.parametrize(("code", "vector", "error", "qualification"), CASES)
@pytest.mark.parametrize("selected", [True, False])
def test_an_exception_exits_by_its_bit(vmx_guest, code, vector, error, qualification, selected):
    bitmap = 1 << vector if selected else 0xFFFFFFFF & ~(1 << vector)
    text = f"{code.replace('here:', 'here: ?')}; behind: nop"
    run = vmx_guest(text, fields={Field.EXCEPTION_BITMAP: bitmap}, on_exit=skips)
    assert run.end is End.EXITED
    if not selected:
        assert run.exits == []
        assert run.word(LOG + 128) == vector
        return
    (seen,) = run.exits
    assert run.word(LOG) == 0
    assert (seen.reason, seen.rip) == (Reason.EXCEPTION_NMI, run.at("here"))
    assert seen.info == event(vector, error=error is not None)
    assert (seen.error if error is not None else 0) == (error or 0)
    assert (seen.qualification, seen.vectoring) == (qualification, 0)


def test_a_page_fault_that_exits_leaves_cr2_alone(vmx_guest):
    """SDM vol. 3C 27.1: CR2 is not changed by an exit."""
    text = "mov eax, 0x1234; mov cr2, rax; here: mov eax, [0x700000]; behind: mov rax, cr2; mov [DATA], rax"
    run = vmx_guest(text, fields={Field.EXCEPTION_BITMAP: 1 << 14}, on_exit=skips)
    assert (run.reasons, run.word(DATA)) == ([Reason.EXCEPTION_NMI], 0x1234)


@pytest.mark.parametrize("bit", [True, False])
@pytest.mark.parametrize(
    ("mask", "match"), [(0, 0), (0, 1), (1, 0), (1, 1), (2, 2), (4, 0), (4, 4), (7, 6), (0x1F, 2)]
)
@pytest.mark.parametrize(
    ("code", "user", "error"),
    [
        ("mov eax, [0x700000]", False, 0),
        ("mov [0x700000], eax", False, 2),
        ("mov [0x701000], eax", False, 3),
        ("mov eax, [0x700000]", True, 4),
        ("mov [0x700000], eax", True, 6),
    ],
)
def test_page_faults_exit_by_mask_and_match(vmx_guest, bit, mask, match, code, user, error):
    fields = {
        Field.EXCEPTION_BITMAP: bit << 14,
        Field.PAGE_FAULT_ERROR_CODE_MASK: mask,
        Field.PAGE_FAULT_ERROR_CODE_MATCH: match,
    }
    text = f"here: ? {code}; behind: nop"

    def on_exit(run, seen):
        run.vmx.write(Field.GUEST_RIP, run.at("user.behind" if user else "behind"))
        return True

    program = {"text": ENTER_USER, "user": text + END} if user else {"text": text}
    run = vmx_guest(fields=fields, on_exit=on_exit, pages=[(0x701000, 0x230000, 1)], **program)
    exits = bit == (error & mask == match)
    assert run.reasons == [Reason.EXCEPTION_NMI] * exits
    assert [seen.error for seen in run.exits] == [error] * exits
    assert run.word(LOG) == (not exits)


def test_int3_exits_as_a_software_exception_with_its_length_and_int_n_never_exits(vmx_guest):
    fields = {Field.EXCEPTION_BITMAP: 0xFFFFFFFF}
    run = vmx_guest("here: int3; nop; int 0x80; int 3", fields=fields, on_exit=skips_int3)
    assert [seen.info for seen in run.exits] == [event(3, SOFTWARE_EXCEPTION)]
    assert [(seen.rip, seen.length) for seen in run.exits] == [(run.at("here"), 1)]
    assert run.word(LOG) == 2  # INT 0x80, and CD 03, which is no INT3


def skips_int3(run, seen):
    run.vmx.skip_instruction()
    return True


def test_a_single_step_exits_with_its_cause(vmx_guest):
    text = "pushfq; or qword ptr [rsp], 0x100; popfq; nop; first: nop; second: nop"

    def on_exit(run, seen):
        run.vmx.write(Field.GUEST_RFLAGS, run.vmx.read(Field.GUEST_RFLAGS) & ~0x100)
        return True

    run = vmx_guest(text, fields={Field.EXCEPTION_BITMAP: 1 << 1}, on_exit=on_exit)
    (seen,) = run.exits
    assert (seen.info, seen.qualification) == (event(1), 1 << 14)
    assert seen.rip == run.at("first")


def test_an_execution_breakpoint_exits_with_its_number(vmx_guest):
    text = "lea rax, [rip+here]; mov dr2, rax; mov eax, 0x410; mov dr7, rax; nop; here: nop; nop"

    def on_exit(run, seen):
        run.vmx.write(Field.GUEST_DR7, 0x400)
        run.vmx.write(Field.GUEST_RFLAGS, run.vmx.read(Field.GUEST_RFLAGS) | 1 << 16)
        return True

    run = vmx_guest(text, fields={Field.EXCEPTION_BITMAP: 1 << 1}, on_exit=on_exit)
    assert [(seen.info, seen.qualification, seen.rip) for seen in run.exits] == [
        (event(1), 4, run.at("here"))
    ]


NESTED = [
    # first event, its gate missing; what exits with what under way
    ("ud2", 6, 11, 6 * 8 + 3, event(6)),
    ("mov rax, [0x700000]", 14, 11, 14 * 8 + 3, event(14, error=True)),
    ("int 0x80", 0x80, 11, 0x80 * 8 + 2, event(0x80, SOFTWARE_INTERRUPT)),
    ("int3", 3, 11, 3 * 8 + 2, event(3, SOFTWARE_EXCEPTION)),
    ("mov ds, cx", 13, 11, 13 * 8 + 3, event(13, error=True)),
]


@pytest.mark.parametrize(("code", "absent", "vector", "error", "under_way"), NESTED)
def test_an_exit_during_delivery_says_what_was_being_delivered(
    vmx_guest, code, absent, vector, error, under_way
):
    """#NP for the first event's gate exits although #DF would follow from it: the bitmap comes first (25.2)."""

    def mends(run, seen):
        run.machine.memory.write(0x101000 + 16 * absent + 5, bytes([0xEE]))

    text = f"mov cx, 0x1000; here: ? {code}; behind: nop"
    run = vmx_guest(
        text,
        fields={Field.EXCEPTION_BITMAP: 1 << vector},
        gates={absent: NOT_PRESENT},
        on_exit=lambda run, seen: mends(run, seen) or False,
    )
    (seen,) = run.exits
    assert (seen.info, seen.error) == (event(vector, error=True), error)
    assert seen.vectoring == under_way
    assert seen.rip == run.at("here")
    if under_way & ERROR:
        assert seen.vectoring_error == (0x1000 if absent == 13 else 0)
    if "int" in code:
        assert seen.length == (1 if code == "int3" else 2)
    assert (run.end, run.word(LOG), run.word(LOG + 128)) == (End.EXITED, 1, absent)


def test_a_double_fault_that_exits_is_not_an_exit_during_delivery(vmx_guest):
    """SDM vol. 3C 27.2.4."""
    run = vmx_guest(
        "mov cx, 0x1000; here: mov ds, cx; behind: nop",
        fields={Field.EXCEPTION_BITMAP: 1 << 8},
        gates={13: NOT_PRESENT},
        on_exit=skips,
    )
    (seen,) = run.exits
    assert (seen.info, seen.error, seen.vectoring) == (event(8, error=True), 0, 0)


def test_a_triple_fault_exits_and_is_not_one_during_delivery(vmx_guest):
    run = vmx_guest(
        "mov cx, 0x1000; here: mov ds, cx",
        gates={13: NOT_PRESENT, 8: NOT_PRESENT},
        on_exit=lambda run, seen: run.machine.end() or True,
    )
    (seen,) = run.exits
    assert (seen.reason, seen.info, seen.vectoring) == (Reason.TRIPLE_FAULT, 0, 0)


@pytest.mark.parametrize(
    ("code", "under_way"),
    [
        ("ud2", event(6)),
        ("int 0x80", event(0x80, SOFTWARE_INTERRUPT)),
        ("int3", event(3, SOFTWARE_EXCEPTION)),
    ],
)
@pytest.mark.parametrize("missing", ["stack", "idt"])
def test_an_ept_violation_during_delivery_is_repeated_after_it(vmx_guest, code, under_way, missing):
    gpa = 0x1DF000 if missing == "stack" else 0x101000  # of RSP0's page; of the IDT

    def on_exit(run, seen):
        if seen.reason is Reason.CPUID:
            run.ept.write(run.ept.entry_address(gpa, 1), 0)
            run.vmx.invept(2, 0)
            return None
        run.ept.map(gpa, gpa, 0x1000)
        return False

    run = vmx_guest(
        ENTER_USER,
        user=f"cpuid; here: ? {code}" + END,
        secondary=Secondary.ENABLE_EPT,
        on_exit=on_exit,
    )
    violation = run.exits[1]
    assert [seen.reason for seen in run.exits[1:]] == [Reason.EPT_VIOLATION]
    assert violation.vectoring == under_way
    assert (violation.rip, violation.physical & ~0xFFF) == (run.at("user.here"), gpa)
    assert violation.linear >> 12 == (0xFFFFFFFF80000000 + gpa) >> 12
    assert (run.end, run.word(LOG)) == (End.EXITED, 1)
