"""MSR writes succeed and fault by the SDM's rules."""

from __future__ import annotations

import pytest

from hardware_model.msrs import (
    BY_NUMBER,
    MSRS,
    Efer,
    Msr,
    check_read,
    check_write,
    efer_change_allowed,
    reset_values,
    written,
)

LOW_CANONICAL, HIGH_CANONICAL = (1 << 47) - 1, 0xFFFF_8000_0000_0000


@pytest.mark.parametrize(
    "msr",
    [Msr.LSTAR, Msr.CSTAR, Msr.FS_BASE, Msr.GS_BASE, Msr.KERNEL_GS_BASE, Msr.SYSENTER_EIP],
)
def test_an_address_must_be_canonical(msr: Msr) -> None:
    assert check_write(msr, LOW_CANONICAL)
    assert check_write(msr, HIGH_CANONICAL)
    assert not check_write(msr, LOW_CANONICAL + 1)
    assert not check_write(msr, HIGH_CANONICAL - 1)


def test_efer_refuses_reserved_bits_and_keeps_lma() -> None:
    everything = Efer.SCE | Efer.LME | Efer.LMA | Efer.NXE
    assert check_write(Msr.EFER, everything)
    assert not check_write(Msr.EFER, everything | 1 << 12)
    assert written(Msr.EFER, everything, Efer.SCE) == Efer.SCE | Efer.LMA
    assert written(Msr.EFER, 0, everything) & Efer.LMA == 0


def test_long_mode_cannot_be_switched_while_paging_is_on() -> None:
    assert not efer_change_allowed(Efer.LME, 0, paging=True)
    assert efer_change_allowed(Efer.LME, 0, paging=False)
    assert efer_change_allowed(Efer.LME, Efer.LME | Efer.NXE, paging=True)


@pytest.mark.parametrize("msr", [Msr.FMASK, Msr.TSC_AUX])
def test_the_high_half_of_a_32_bit_register_is_reserved(msr: Msr) -> None:
    assert check_write(msr, 0xFFFF_FFFF)
    assert not check_write(msr, 1 << 32)


def test_pat_takes_memory_types_only() -> None:
    assert check_write(Msr.PAT, 0x0007_0406_0007_0406)
    assert not check_write(Msr.PAT, 0x0007_0406_0007_0402)


def test_the_apic_stays_where_it_is() -> None:
    assert check_write(Msr.APIC_BASE, reset_values()[Msr.APIC_BASE])
    assert not check_write(Msr.APIC_BASE, 0xFEE0_1900)
    assert not check_write(Msr.APIC_BASE, 0xFEE0_0D00)


def test_feature_control_is_locked() -> None:
    assert check_read(Msr.FEATURE_CONTROL)
    assert not check_write(Msr.FEATURE_CONTROL, 5)


def test_an_unknown_register_faults() -> None:
    assert not check_read(0xC001_0114)
    assert not check_write(0xC001_0114, 0)


def test_every_register_accepts_its_reset_value_unless_it_is_locked() -> None:
    locked = {Msr.FEATURE_CONTROL}
    assert all(check_write(row.number, row.reset) for row in MSRS if row.number not in locked)


def test_every_msr_has_one_row_in_ascending_order() -> None:
    assert [row.number for row in MSRS] == sorted(Msr)
    assert len(BY_NUMBER) == len(MSRS)
