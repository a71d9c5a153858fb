"""Control registers of a running guest: masks, shadows, CR3 targets, TPR threshold."""

from __future__ import annotations

import pytest

from hardware_model.vmx.controls import Primary
from hardware_model.vmx.exit_reasons import Reason
from hardware_model.vmx.fields import Field
from hardware_model.vmx.qualifications import CrAccess, CrAccessType
from tests.hardware_model.vmx.running_guest import (
    VIRTUAL_APIC,
    launchable,
)
from tests.small_guest import DATA, TABLES, SmallGuest

CR0, CR4 = 0x80010033, 0x6A0
WP, TS, MP, EM, AM = 1 << 16, 1 << 3, 1 << 1, 1 << 2, 1 << 18
TSD, DE, PGE = 1 << 2, 1 << 3, 1 << 7
TO, FROM = CrAccessType.MOV_TO_CR, CrAccessType.MOV_FROM_CR


def masked(register: int, mask: int, shadow: int) -> dict[Field, int]:
    """The fields of a guest/host mask and its read shadow."""
    return {
        Field[f"CR{register}_GUEST_HOST_MASK"]: mask,
        Field[f"CR{register}_READ_SHADOW"]: shadow,
    }


@pytest.mark.parametrize("register", [0, 4])
@pytest.mark.parametrize(
    ("mask", "shadow"), [(0, 0), (0, -1), (WP | DE, 0), (WP | DE, -1), (0xFFFFFFFF, 0x12345678)]
)
def test_a_read_shows_the_shadow_where_the_mask_says_so(vmx_guest, register, mask, shadow):
    shadow &= 0xFFFFFFFF
    text = f"mov rax, cr{register}; mov [DATA], rax; mov r9, cr{register}; mov [DATA+8], r9"
    run = vmx_guest(text, fields=masked(register, mask, shadow))
    real = CR0 if register == 0 else CR4 | 1 << 13  # CR4.VMXE is set in VMX operation
    assert run.exits == []
    assert run.word(DATA) == run.word(DATA + 8) == real & ~mask | shadow & mask


@pytest.mark.parametrize("target", ["ax", "rax", "word ptr [DATA]"])
def test_smsw_shows_the_shadow_in_registers_and_memory(vmx_guest, target):
    text = f"xor eax, eax; smsw {target}; mov [DATA+8], rax"
    run = vmx_guest(text, fields=masked(0, TS | MP, TS))
    seen = run.word(DATA) if "[" in target else run.word(DATA + 8)
    assert seen & 0xFFFF == CR0 & 0xFFFF & ~(TS | MP) | TS
    assert seen >> 16 == (CR0 >> 16 if target == "rax" else 0)


def test_smsw_to_a_page_that_cannot_be_written_is_a_page_fault(vmx_guest):
    run = vmx_guest(
        "? smsw word ptr [0x700008]; ? smsw word ptr [0x701008]",
        fields=masked(0, TS, TS),
        pages=[(0x700000, 0x230000, 1)],
    )
    assert run.exits == []
    log = 0xFFFFFFFF80200000
    assert [run.word(log + 128 * n + 8 * at) for n in (1, 2) for at in (0, 1, 7)] == [
        14,
        3,
        0x700008,
        14,
        2,
        0x701008,
    ]


@pytest.mark.parametrize(
    ("register", "mask", "shadow", "written", "exits", "real"),
    [
        (0, 0, 0, CR0 | AM, False, CR0 | AM),
        (0, WP, WP, CR0 | AM, False, CR0 | AM),
        (0, WP, 0, CR0, True, CR0),  # as the guest sees it, WP changes
        (0, WP, 0, CR0 & ~WP | AM, False, CR0 | AM),  # it does not; the real WP stays
        (0, TS | WP, WP, CR0 | TS, True, CR0),
        (4, 0, 0, CR4 | DE, False, CR4 | DE),
        (4, PGE, PGE, CR4 | DE, False, CR4 | DE | 1 << 13),
        (4, PGE, 0, CR4, True, CR4 | 1 << 13),
        (4, PGE, 0, CR4 & ~PGE, False, CR4),
        (4, PGE, 0, CR4 | 1 << 13, True, CR4),
    ],
)
def test_a_write_exits_if_it_changes_a_masked_bit_as_the_guest_sees_it(
    vmx_guest, register, mask, shadow, written, exits, real
):
    if register == 4:  # VMMs keep VMXE from their guests
        mask, real = mask | 1 << 13, real | 1 << 13
    text = f"mov r10, {written}; here: mov cr{register}, r10"
    run = vmx_guest(text, fields=masked(register, mask, shadow))
    assert run.reasons == [Reason.CR_ACCESS] * exits
    assert run.machine.registers.cr(register) == real
    if exits:
        assert run.exits[0].qualification == CrAccess(register, TO, 10).encode()
        assert (run.exits[0].rip, run.exits[0].length) == (run.at("here"), 4)


@pytest.mark.parametrize(
    ("mask", "shadow", "exits", "after"),
    [(0, 0, False, 0), (TS, TS, True, TS), (TS, 0, False, TS), (WP, WP, False, 0)],
)
def test_clts_exits_if_the_guest_sees_ts_set(vmx_guest, mask, shadow, exits, after):
    """The guest has set TS by an OR of CR0, which a mask of TS lets pass only for the VMM; so the VMM sets it here."""
    run = vmx_guest(
        "cpuid; here: clts; nop",
        fields=masked(0, mask, shadow),
        on_exit=lambda run, seen: (
            run.vmx.write(Field.GUEST_CR0, run.vmx.read(Field.GUEST_CR0) | TS)
            if seen.reason is Reason.CPUID
            else None
        ),
    )
    assert run.reasons[1:] == [Reason.CR_ACCESS] * exits
    assert run.machine.registers.cr(0) & TS == after
    if exits:
        assert run.exits[1].qualification == CrAccess(0, CrAccessType.CLTS).encode()


@pytest.mark.parametrize("operand", ["ax", "word ptr [DATA+0x10]"])
@pytest.mark.parametrize(
    ("mask", "shadow", "source", "exits"),
    [
        (0, 0, 0x8, False),
        (TS, 0, 0x9, True),
        (TS, TS, 0x9, False),
        (EM, 0, 0xFFF1, False),
        (EM, EM, 0x1, True),
        (1, 1, 0x2, False),  # LMSW never clears PE
    ],
)
def test_lmsw_exits_if_it_changes_a_masked_bit(vmx_guest, operand, mask, shadow, source, exits):
    text = f"mov eax, {source}; mov [DATA+0x10], eax; here: lmsw {operand}; nop"
    run = vmx_guest(text, fields=masked(0, mask, shadow))
    assert run.reasons == [Reason.CR_ACCESS] * exits
    if exits:
        (seen,) = run.exits
        memory = operand != "ax"
        assert seen.qualification == CrAccess(0, CrAccessType.LMSW, 0, memory, source).encode()
        assert seen.linear == DATA + 0x10 or not memory
        assert seen.length == (7 if memory else 3)


def test_lmsw_of_absent_memory_faults_and_does_not_exit(vmx_guest):
    run = vmx_guest("? lmsw word ptr [0x700000]", fields=masked(0, 15, 15))
    assert run.exits == []
    assert run.word(0xFFFFFFFF80200000 + 128) == 14


@pytest.mark.parametrize(("count", "exits"), [(0, 3), (1, 2), (2, 1), (3, 0), (4, 0)])
def test_mov_to_cr3_exits_unless_the_value_is_one_of_the_targets_in_use(vmx_guest, count, exits):
    values = [TABLES, TABLES | 8, TABLES | 0x10]
    fields = {Field[f"CR3_TARGET_VALUE{n}"]: value for n, value in enumerate(values)}
    text = "; ".join(f"mov r12, {value}; at_{n}: mov cr3, r12" for n, value in enumerate(values))
    run = vmx_guest(
        "cpuid;" + text + "; cpuid",
        primary=Primary.CR3_LOAD_EXITING,
        fields=fields | {Field.CR3_TARGET_COUNT: count},
    )
    inside = [seen for seen in run.exits if seen.rip >= run.at("at_0")][:-1]
    assert [seen.qualification for seen in inside] == [CrAccess(3, TO, 12).encode()] * exits
    assert [seen.rip for seen in inside] == [run.at(f"at_{n}") for n in range(3 - exits, 3)]
    assert run.machine.registers.cr(3) == values[2]


def test_mov_from_cr3_exits_under_its_control_only(vmx_guest):
    text = "mov r9, cr3; here: mov rbx, cr3"
    assert vmx_guest(text).exits == []
    run = vmx_guest(text, primary=Primary.CR3_STORE_EXITING)
    assert [seen.qualification for seen in run.exits] == [
        CrAccess(3, FROM, gpr).encode() for gpr in (9, 3)
    ]


@pytest.mark.parametrize(
    ("controls", "to", "out_of"),
    [
        (Primary.CR8_LOAD_EXITING, True, False),
        (Primary.CR8_STORE_EXITING, False, True),
        (Primary.CR8_LOAD_EXITING | Primary.CR8_STORE_EXITING, True, True),
        (Primary.USE_TPR_SHADOW, False, False),
        (Primary(0), False, False),
    ],
)
def test_cr8_exits_by_direction(vmx_guest, controls, to, out_of):
    run = vmx_guest("mov eax, 9; mov cr8, rax; mov r14, cr8", primary=controls)
    wanted = [CrAccess(8, TO, 0).encode()] * to + [CrAccess(8, FROM, 14).encode()] * out_of
    assert [seen.qualification for seen in run.exits] == wanted
    if not out_of:
        assert run.gpr("r14") == (9 if not to else 0)
    if controls == Primary.USE_TPR_SHADOW:
        assert run.machine.memory.read64(VIRTUAL_APIC + 0x80) == 0x90


@pytest.mark.parametrize("threshold", [0, 3, 7])
def test_the_tpr_threshold_exits_behind_the_write_that_falls_below_it(vmx_guest, threshold):
    values = [7, 3, 2, 5, 0]
    text = "; ".join(f"mov eax, {value}; mov cr8, rax; at_{value}: nop" for value in values)
    guest = SmallGuest("mov eax, 15; mov cr8, rax; cpuid;" + text + "; nop")
    run = launchable(guest, primary=Primary.USE_TPR_SHADOW)

    def rearm(run, seen):
        run.vmx.write(Field.TPR_THRESHOLD, threshold if seen.reason is Reason.CPUID else 0)

    run.on_exit = rearm
    run.run()
    below = [value for value in values if value < threshold][:1]
    assert run.reasons[1:] == [Reason.TPR_BELOW_THRESHOLD] * len(below)
    assert [seen.rip for seen in run.exits[1:]] == [run.at(f"at_{value}") for value in below]
