"""RDMSR and WRMSR as a guest executes them: what is kept, what faults, what has an effect."""

from __future__ import annotations

import pytest

BOTH = pytest.mark.parametrize("technique", ["native", "hvm-ept"])
WRITE = "mov ecx, {msr:#x}; mov rax, {value:#x}; mov rdx, rax; shr rdx, 32; {fault} wrmsr\n"
READ = "mov ecx, {msr:#x}; {fault} rdmsr; shl rdx, 32; or rax, rdx; mov [DATA], rax\n"
EFER, TSC, LSTAR, FMASK, STAR = 0xC0000080, 0x10, 0xC0000082, 0xC0000084, 0xC0000081
FS_BASE, GS_BASE, KERNEL_GS_BASE, TSC_AUX = 0xC0000100, 0xC0000101, 0xC0000102, 0xC0000103
APIC_BASE, FEATURE_CONTROL, MISC_ENABLE, PAT = 0x1B, 0x3A, 0x1A0, 0x277
NOT_CANONICAL = 1 << 47


@BOTH
@pytest.mark.parametrize(
    ("msr", "value"),
    [
        (STAR, 0x1B0008_00000000), (LSTAR, 0xFFFFFFFF81234567), (0xC0000083, 0x1234), (FMASK, 0x47700), (PAT, 0x0007040600010506),
        (KERNEL_GS_BASE, 0xFFFF888000001000), (FS_BASE, 0x7FFFFFFFF000), (GS_BASE, 0x1000), (TSC_AUX, 77), (0x174, 0x8),
        (0x175, 0xFFFFFFFF80001000), (0x176, 0xFFFFFFFF80002000),
    ],
)  # fmt: skip
def test_a_register_reads_back_what_was_written(run_guest, technique, msr, value):
    text = WRITE.format(msr=msr, value=value, fault="") + READ.format(msr=msr, fault="")
    assert run_guest(text, technique=technique).data() == value


@BOTH
@pytest.mark.parametrize(
    ("msr", "value"),
    [
        (EFER, 0xD01),
        (APIC_BASE, 0xFEE00900),
        (FEATURE_CONTROL, 1),
        (PAT, 0x0007040600070406),
        (0x8B, 0),
        (0x1D9, 0),
    ],
)
def test_a_register_starts_with_its_reset_value(run_guest, technique, msr, value):
    assert run_guest(READ.format(msr=msr, fault=""), technique=technique).data() == value


@BOTH
@pytest.mark.parametrize(
    ("msr", "value"),
    [
        (LSTAR, NOT_CANONICAL), (FS_BASE, NOT_CANONICAL), (KERNEL_GS_BASE, 0x8000_0000_0000_0000), (0x176, NOT_CANONICAL),
        (EFER, 0xD01 | 1 << 12), (EFER, 0xD01 | 2), (EFER, 0x801), (FMASK, 1 << 32), (TSC_AUX, 1 << 32), (PAT, 2),
        (FEATURE_CONTROL, 1), (APIC_BASE, 0xFEE00100), (APIC_BASE, 0xFED00900), (0x1D9, 1), (0xC0000200, 0), (0x12345, 0), (0x480, 0),
    ],
)  # fmt: skip
def test_a_write_that_the_manual_forbids_is_a_general_protection_fault(
    run_guest, technique, msr, value
):
    (record,) = run_guest(
        WRITE.format(msr=msr, value=value, fault="?"), technique=technique
    ).records
    assert (record.vector, record.error) == (13, 0)


@BOTH
@pytest.mark.parametrize("msr", [0xC0000200, 0x12345, 0x480, 0xFE, 0xFFFFFFFF, 0x40000000])
def test_a_read_of_a_register_that_does_not_exist_faults(run_guest, technique, msr):
    (record,) = run_guest(READ.format(msr=msr, fault="?"), technique=technique).records
    assert (record.vector, record.error) == (13, 0)


@BOTH
@pytest.mark.parametrize(
    ("msr", "value", "kept"),
    [(0x8B, 5, 0), (MISC_ENABLE, 0, 0x1800), (MISC_ENABLE, 1 << 34, 0x1800)],
)
def test_bits_that_cannot_be_written_keep_their_value(run_guest, technique, msr, value, kept):
    text = WRITE.format(msr=msr, value=value, fault="") + READ.format(msr=msr, fault="")
    assert run_guest(text, technique=technique).data() == kept


@BOTH
def test_a_write_of_the_time_stamp_counter_moves_what_rdtsc_and_rdmsr_read(run_guest, technique):
    value = 0x1_2345_0000_0000
    text = (
        WRITE.format(msr=TSC, value=value, fault="")
        + "rdtsc; shl rdx, 32; or rax, rdx; mov [DATA+8], rax;"
    )
    run = run_guest(text + READ.format(msr=TSC, fault=""), technique=technique)
    assert run.data(8) == value + 1  # the WRMSR took one unit
    assert run.data() == value + 6


@BOTH
def test_time_itself_does_not_move_with_the_time_stamp_counter(run_guest, technique):
    plain = run_guest("nop\n" * 6, technique=technique)
    assert (
        run_guest(WRITE.format(msr=TSC, value=5, fault=""), technique=technique).machine.now
        == plain.machine.now - 1
    )


@BOTH
def test_rdtscp_gives_the_auxiliary_value(run_guest, technique):
    text = (
        WRITE.format(msr=TSC_AUX, value=0x1234, fault="")
        + "xor ecx, ecx; dec rcx; rdtscp; mov [DATA], rcx"
    )
    assert run_guest(text, technique=technique).data() == 0x1234


@BOTH
def test_segment_bases_move_what_fs_and_gs_reach(run_guest, technique):
    text = "mov rax, DATA; mov qword ptr [rax], 11; mov qword ptr [rax+8], 22;"
    text += "mov ecx, 0xc0000100; mov rdx, rax; shr rdx, 32; wrmsr; inc ecx; wrmsr; mov rbx, fs:[0]; mov rsi, gs:[8]; swapgs\n"
    text += "rdmsr; mov edi, eax; mov [DATA+16], rbx; mov [DATA+24], rsi; mov [DATA+32], rdi"
    run = run_guest(text, technique=technique)
    assert [run.data(n) for n in (16, 24, 32)] == [11, 22, 0]


@BOTH
def test_without_nxe_a_no_execute_bit_is_reserved(run_guest, technique):
    text = (
        "mov eax, [USER_DATA];"
        + WRITE.format(msr=EFER, value=0x501, fault="")
        + "invlpg [USER_DATA]; ? mov eax, [USER_DATA]"
    )
    run = run_guest(text, technique=technique)
    assert [(r.vector, r.error, r.cr2) for r in run.records] == [(14, 9, 0x600000)]


@BOTH
def test_without_sce_syscall_is_undefined(run_guest, technique):
    text = WRITE.format(msr=EFER, value=0xD00, fault="") + "? syscall"
    assert run_guest(text, technique=technique).vectors == [6]
