"""The table of docs/linux.md is what a boot counts, where the kernel is the one that the page names."""

from __future__ import annotations

import pytest

from tests.linux.documented_boot import ROWS, check_row


def test_the_table_has_all_five_techniques() -> None:
    assert set(ROWS) == {"native", "hvm-ept", "hvm-shadow", "bt", "pv"}


@pytest.mark.parametrize("technique", ["native", "hvm-ept", "hvm-shadow", "bt"])
def test_the_page_counts_what_a_boot_counts(boot, technique: str) -> None:
    check_row(technique, boot(technique))
