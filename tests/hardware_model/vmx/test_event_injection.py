"""Events injected at VM entry, interrupt-window exiting, external interrupts: each kind, and the shadows."""

from __future__ import annotations

import pytest

from hardware_model.machine import End
from hardware_model.vmx.controls import Exit, PinBased, Primary
from hardware_model.vmx.exit_reasons import Reason
from hardware_model.vmx.fields import Field
from hardware_model.vmx.transitions import VmEntryRefused
from tests.small_guest import DATA, LOG

VALID, ERROR = 1 << 31, 1 << 11
EXTERNAL, NMI, EXCEPTION, SOFTWARE, INT1, INT3 = (n << 8 for n in (0, 2, 3, 4, 5, 6))
NOT_PRESENT = {"present": False}
APIC_ON = "mov dword ptr [APIC+0xf0], 0x1ff\n"
PEND = "mov dword ptr [APIC+0x300], 0x40041\n"  # an IPI to itself, vector 0x41
ENTER_USER = "push DATA3; push USER_STACK; push 2; push CODE3; push USER; iretq\n"
END = "; mov edx, 0xf4; xor eax, eax; out dx, eax"


def injects(info, error=0, length=0, skip=True):
    """A VMM that injects an event at the exit of the guest's CPUID."""

    def on_exit(run, seen):
        if seen.reason is not Reason.CPUID:
            return None
        if skip:
            run.vmx.skip_instruction()
        run.vmx.write(Field.ENTRY_INTERRUPTION_INFO, VALID | info)
        run.vmx.write(Field.ENTRY_EXCEPTION_ERROR_CODE, error)
        run.vmx.write(Field.ENTRY_INSTRUCTION_LENGTH, length)
        return True

    return on_exit


def log(run):
    """(vector, error code, RIP) of the events that the guest's handlers saw."""
    return [
        tuple(run.word(LOG + 128 * (n + 1) + 8 * at) for at in range(3))
        for n in range(run.word(LOG))
    ]


@pytest.mark.parametrize(
    ("info", "error"),
    [
        (EXTERNAL | 0x41, 0),
        (EXTERNAL | 0xFF, 0),
        (NMI | 2, 0),
        (EXCEPTION | 1, 0),
        (EXCEPTION | ERROR | 8, 0),
        (EXCEPTION | ERROR | 17, 0),
    ],
)
def test_an_event_is_delivered_before_the_next_instruction(vmx_guest, info, error):
    enabled = "push 0x202; popfq\n" if info & 0x700 == EXTERNAL else ""
    text = enabled + "cpuid; at: ? nop; cli"
    run = vmx_guest(text, on_exit=injects(info, error), gates={17: {}, 8: {}})
    assert log(run) == [(info & 0xFF, error, run.at("at"))]


@pytest.mark.parametrize("vector", [0, 6, 7, 10, 11, 12, 13, 14])
def test_a_fault_is_delivered_with_its_error_code_at_the_instruction(vmx_guest, vector):
    has_error = vector in (10, 11, 12, 13, 14)
    error = 0x5678 if has_error else 0
    info = EXCEPTION | vector | (ERROR if has_error else 0)
    text = "mov eax, 0x4321; mov cr2, rax; ? cpuid; mov rax, cr2; mov [DATA], rax"
    run = vmx_guest(text, on_exit=injects(info, error, skip=False))
    assert log(run) == [(vector, error, run.at("fault_0"))]
    assert run.word(DATA) == 0x4321  # injection of #PF leaves CR2 to the VMM


@pytest.mark.parametrize(
    ("info", "length"),
    [(SOFTWARE | 0x80, 2), (SOFTWARE | 3, 2), (INT3 | 3, 1), (INT1 | 1, 1), (SOFTWARE | 0x80, 15)],
)
def test_a_software_event_returns_behind_its_instruction(vmx_guest, info, length):
    """The instruction at the saved RIP is taken to be `length` bytes long, whatever stands there."""
    text = "cpuid;" + "; ".join(f"n{n}: nop" for n in range(16))
    run = vmx_guest(text, on_exit=injects(info, length=length))
    assert log(run) == [(info & 0xFF, 0, run.at(f"n{length}"))]


@pytest.mark.parametrize(
    ("info", "length", "allowed"),
    [
        (SOFTWARE | 0x30, 2, False),
        (INT3 | 0x30, 1, False),
        (EXTERNAL | 0x30, 0, True),
        (INT1 | 1, 1, True),
    ],
)
def test_only_software_events_need_the_gates_permission(vmx_guest, info, length, allowed):
    """At CPL 3, through a gate of DPL 0 (SDM vol. 3C 26.5.1.1)."""
    run = vmx_guest(
        "push DATA3; push USER_STACK; push 0x202; push CODE3; push USER; iretq",
        user="cpuid; at: ? nop; nop; nop" + END,
        on_exit=injects(info, length=length),
        gates={1: {"dpl": 0}},
    )
    (seen,) = log(run)
    behind = run.at("user.at") + length
    assert seen == (
        (info & 0xFF, 0, behind) if allowed else (13, (info & 0xFF) * 8 + 2, run.at("user.at"))
    )


@pytest.mark.parametrize(
    "info", [SOFTWARE | 0x80, INT3 | 3, INT1 | 1, EXCEPTION | 6, EXTERNAL | 0x41, NMI | 2]
)
def test_an_injected_event_whose_delivery_exits_is_named_whole(vmx_guest, info):
    """The gate is missing; the #NP exits, the VMM mends the gate and injects again."""
    vector, length = info & 0xFF, 1 if info & 0x700 >= SOFTWARE else 0
    inject = injects(info, length=length)

    def on_exit(run, seen):
        if seen.reason is Reason.CPUID:
            return inject(run, seen)
        run.machine.memory.write(0x101000 + 16 * vector + 5, bytes([0x8E]))
        return False

    run = vmx_guest(
        "push 0x202; popfq; cpuid; at: ? nop; behind: cli",
        on_exit=on_exit,
        gates={vector: NOT_PRESENT},
        fields={Field.EXCEPTION_BITMAP: 1 << 11},
    )
    nested = run.exits[1]
    assert (nested.reason, nested.info) == (Reason.EXCEPTION_NMI, VALID | EXCEPTION | ERROR | 11)
    assert nested.vectoring == VALID | info
    assert nested.rip == run.at("at")
    if length:
        assert nested.length == length
    assert log(run) == [(vector, 0, run.at("behind" if length else "at"))]


def test_an_injected_double_fault_that_cannot_be_delivered_is_a_triple_fault(vmx_guest):
    inject = injects(EXCEPTION | ERROR | 8)

    def on_exit(run, seen):
        return inject(run, seen) if seen.reason is Reason.CPUID else run.machine.end() or True

    run = vmx_guest("cpuid; nop", on_exit=on_exit, gates={8: NOT_PRESENT})
    assert run.reasons == [Reason.CPUID, Reason.TRIPLE_FAULT]
    assert run.exits[1].vectoring == 0


WINDOWS = [
    ("nop; sti; nop; at: nop; cli", "at"),  # the shadow of STI holds it off for one instruction
    ("sti; cli; nop", None),
    ("push 0x202; popfq; at: nop; cli", "at"),
    ("push 0x202; popfq; at: mov ss, ax; nop; cli", "at"),
    ("sti; hlt; at: cli", "at"),
    (
        "mov rax, rsp; push 0x10; push rax; push 0x202; push 8; lea rbx, [rip+at]; push rbx; iretq; at: nop; cli",
        "at",
    ),
    ("sti; mov ss, cx; at: nop; cli", "at"),
    ("sti; ? ud2; at: nop; cli", "at"),
]


@pytest.mark.parametrize(("text", "label"), WINDOWS)
def test_the_window_opens_where_an_interrupt_could_be_delivered(vmx_guest, text, label):
    def on_exit(run, seen):
        controls = run.vmx.read(Field.PRIMARY_CONTROLS)
        window = int(Primary.INTERRUPT_WINDOW_EXITING)
        opens = seen.reason is Reason.CPUID
        run.vmx.write(Field.PRIMARY_CONTROLS, controls | window if opens else controls & ~window)

    run = vmx_guest(
        "mov ecx, 0x10; mov esi, ecx; cpuid; mov ecx, esi; mov eax, esi;" + text, on_exit=on_exit
    )
    assert run.end is End.EXITED
    assert [(seen.reason, seen.rip) for seen in run.exits[1:]] == (
        [(Reason.INTERRUPT_WINDOW, run.at(label))] if label else []
    )
    assert all((seen.interruptibility, seen.info) == (0, 0) for seen in run.exits[1:])


def test_an_open_window_exits_at_once_and_again_after_each_entry(vmx_guest):
    """Before any instruction, as long as the control is on (SDM vol. 3C 26.7.5)."""

    def on_exit(run, seen):
        controls = run.vmx.read(Field.PRIMARY_CONTROLS)
        window = int(Primary.INTERRUPT_WINDOW_EXITING)
        last = len(run.exits) == 4
        run.vmx.write(Field.PRIMARY_CONTROLS, controls & ~window if last else controls | window)

    run = vmx_guest("push 0x202; popfq; cpuid; at: nop; cli", on_exit=on_exit)
    assert run.reasons == [Reason.CPUID] + 3 * [Reason.INTERRUPT_WINDOW]
    assert {(seen.rip, seen.time) for seen in run.exits[1:]} == {(run.at("at"), run.exits[1].time)}


def test_an_injected_interrupt_closes_the_window_until_its_handler_returns(vmx_guest):
    inject = injects(EXTERNAL | 0x41)

    def on_exit(run, seen):
        controls = run.vmx.read(Field.PRIMARY_CONTROLS)
        window = int(Primary.INTERRUPT_WINDOW_EXITING)
        if seen.reason is Reason.CPUID:
            run.vmx.write(Field.PRIMARY_CONTROLS, controls | window)
            return inject(run, seen)
        run.vmx.write(Field.PRIMARY_CONTROLS, controls & ~window)
        return None

    run = vmx_guest("push 0x202; popfq; cpuid; at: nop; cli", on_exit=on_exit)
    assert run.reasons == [Reason.CPUID, Reason.INTERRUPT_WINDOW]
    assert run.exits[1].rip == run.at("at")
    assert log(run) == [(0x41, 0, run.at("at"))]


@pytest.mark.parametrize(
    ("shadow", "flags", "blocked"), [("mov ss, cx", 0x202, 2), ("mov ss, cx", 2, 2), ("sti", 2, 1)]
)
def test_the_shadow_shows_in_the_interruptibility_state_and_outlives_the_exit(
    vmx_guest, shadow, flags, blocked
):
    """A page fault behind the shadowing instruction exits; the VMM lets it be done again."""
    text = (
        f"mov ecx, 0x10; push {flags}; popfq; {shadow}; here: mov eax, [0x700000]; behind: nop; cli"
    )
    run = vmx_guest(
        text,
        fields={Field.EXCEPTION_BITMAP: 1 << 14},
        on_exit=lambda run, seen: run.vmx.write(Field.GUEST_RIP, run.at("behind")) or True,
    )
    seen = run.only_exit()
    assert (seen.rip, seen.interruptibility) == (run.at("here"), blocked)


@pytest.mark.parametrize("shadow", ["sti", "mov ss, cx"])
def test_an_interrupt_injected_into_a_shadow_is_refused(vmx_guest, shadow):
    text = f"mov ecx, 0x10; {shadow}; mov eax, [0x700000]"

    def on_exit(run, seen):
        run.vmx.write(Field.ENTRY_INTERRUPTION_INFO, VALID | 0x41)
        return True

    with pytest.raises(VmEntryRefused):
        vmx_guest(text, fields={Field.EXCEPTION_BITMAP: 1 << 14}, on_exit=on_exit)


@pytest.mark.parametrize("flags", [2, 0x202])
def test_an_external_interrupt_exits_whatever_if_is(vmx_guest, flags):
    text = f"push {flags}; popfq\n" + APIC_ON + PEND + "at: nop; cli"

    def on_exit(run, seen):
        run.machine.platform.apic.acknowledge()
        return True

    run = vmx_guest(text, pin=PinBased.EXTERNAL_INTERRUPT_EXITING, on_exit=on_exit)
    seen = run.only_exit()
    assert (seen.reason, seen.rip, seen.info) == (Reason.EXTERNAL_INTERRUPT, run.at("at"), 0)
    assert log(run) == []


def test_an_acknowledged_interrupt_has_its_vector_in_the_exit(vmx_guest):
    text = APIC_ON + PEND + "at: nop"
    run = vmx_guest(
        text,
        pin=PinBased.EXTERNAL_INTERRUPT_EXITING,
        fields={
            Field.EXIT_CONTROLS: int(Exit.ACKNOWLEDGE_INTERRUPT | Exit.HOST_ADDRESS_SPACE_SIZE)
            | 0x36DFB
        },
        on_exit=lambda run, seen: True,
    )
    seen = run.only_exit()
    assert (seen.reason, seen.info) == (Reason.EXTERNAL_INTERRUPT, VALID | 0x41)
    assert not run.machine.platform.apic.deliverable


@pytest.mark.parametrize("text", ["sti; nop; at: nop; cli", "push 0x202; popfq; at: nop; cli"])
def test_without_its_exiting_an_interrupt_goes_through_the_guests_idt(vmx_guest, text):
    run = vmx_guest(APIC_ON + PEND + text)
    assert run.exits == []
    assert log(run) == [(0x41, 0, run.at("at"))]


def test_tsc_offsetting_moves_what_the_guest_reads(vmx_guest):
    text = "rdtsc; mov [DATA], eax; mov [DATA+4], edx; cpuid; rdtsc; mov [DATA+8], eax; mov [DATA+12], edx"
    plain = vmx_guest(text)
    moved = vmx_guest(text, primary=Primary.USE_TSC_OFFSETTING, fields={Field.TSC_OFFSET: 1 << 40})
    for at in (0, 8):
        assert moved.word(DATA + at) == plain.word(DATA + at) + (1 << 40)
