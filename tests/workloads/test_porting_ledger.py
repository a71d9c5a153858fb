"""The porting ledger counts what differs between the native and the ported kernel."""

from __future__ import annotations

from workloads.image import kernel_files
from workloads.porting_ledger import CATEGORIES, ledger


def test_most_of_the_kernel_is_shared() -> None:
    counted = ledger()
    assert sum(a.lines for a in counted.native.values()) < counted.shared_lines / 4
    assert sum(a.lines for a in counted.ported.values()) < counted.shared_lines / 2


def test_every_difference_has_a_category() -> None:
    counted = ledger()
    for amounts in (counted.native, counted.ported):
        assert set(amounts) <= set(CATEGORIES)
        assert all(a.bytes >= a.instructions for a in amounts.values())


def test_the_ported_kernel_replaces_whole_files_only() -> None:
    native, ported = kernel_files(False), kernel_files(True)
    gone = [name for name in native if name not in ported]
    assert gone == ["pv_ops.asm", "paging.asm", "descriptors.asm", "uart.asm"]
