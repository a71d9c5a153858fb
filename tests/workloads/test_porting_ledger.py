"""The porting ledger counts what differs between the native and the ported kernel."""

from __future__ import annotations

from workloads.image import DRIVER_FILES, kernel_files
from workloads.porting_ledger import _FILES, _MACROS, CATEGORIES, ledger


def test_most_of_the_kernel_is_shared_apart_from_drivers_of_other_devices() -> None:
    counted = ledger()
    native, ported = (
        sum(amount.lines for category, amount in amounts.items() if category != "I/O")
        for amounts in (counted.native, counted.ported)
    )
    assert native < counted.shared_lines / 4
    assert ported < counted.shared_lines / 2


def test_every_difference_has_a_category() -> None:
    counted = ledger()
    for amounts in (counted.native, counted.ported):
        assert set(amounts) <= set(CATEGORIES)
        assert all(a.bytes >= a.instructions for a in amounts.values())


def test_the_ported_kernel_replaces_whole_files_only() -> None:
    native, ported = kernel_files(False), kernel_files(True)
    gone = [name for name in native if name not in ported]
    assert gone == ["pv_ops.asm", "paging.asm", "descriptors.asm", "uart.asm"]


def test_every_replaced_file_is_counted_and_drivers_are_input_and_output() -> None:
    native, ported = kernel_files(False, devices=True), kernel_files(True, devices=True)
    replaced = {*native} ^ {*ported}
    assert replaced == {*_FILES, *_MACROS}
    drivers = {*DRIVER_FILES, "xen_grants.asm", "xen_disk.asm", "xen_network.asm"} & replaced
    assert {_FILES[name] for name in drivers} == {"I/O"}
    counted = ledger()
    assert counted.native["I/O"].lines > counted.ported["I/O"].lines > 200
    assert counted.native["I/O"].instructions > counted.ported["I/O"].instructions > 100
