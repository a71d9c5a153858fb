"""Broken rules of page types are caught by the property-based test in `test_page_types`: else it would prove nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from techniques.paravirtual import page_entries as E
from techniques.paravirtual import page_tables
from techniques.paravirtual.abi import Errno, HypercallError
from techniques.paravirtual.page_tables import PageTables
from techniques.paravirtual.page_types import FrameType, PageTypes
from tests.proofs.figures import counted

from .page_type_world import follow, operations

SCRIPTS = 400
MonkeyPatch = pytest.MonkeyPatch


def nothing(*arguments: Any, **named: Any) -> None:
    """What a broken part does."""


def no_reference_count_of_types(patch: MonkeyPatch) -> None:
    """A frame takes a new type though it is in use as something else."""
    whole = PageTypes.get_page_type

    def get(self: PageTypes, mfn: int, kind: FrameType) -> None:
        frame = self[mfn]
        if frame.type_count and frame.type is not kind:
            frame.type, frame.validated = kind, True
        whole(self, mfn, kind)

    patch.setattr(PageTypes, "get_page_type", get)


def page_tables_may_be_mapped_writable(patch: MonkeyPatch) -> None:
    """A writable mapping takes a reference to the frame, but not the type."""
    whole = PageTables._reference

    def reference(self: PageTables, level: int, entry: int) -> None:
        whole(self, level, entry & ~E.WRITABLE if level == 1 else entry)

    patch.setattr(PageTables, "_reference", reference)


def tables_of_level_1_may_be_mapped_writable(patch: MonkeyPatch) -> None:
    """The same, for one type only: where the frame is a table of level 1."""
    whole = PageTypes.get_page_type

    def get(self: PageTypes, mfn: int, kind: FrameType) -> None:
        frame = self[mfn]
        if kind is FrameType.WRITABLE and frame.type is FrameType.L1 and frame.type_count:
            frame.type_count += 1
        else:
            whole(self, mfn, kind)

    patch.setattr(PageTypes, "get_page_type", get)


def unpinning_keeps_the_type(patch: MonkeyPatch) -> None:
    """What the pin held is not given back."""

    def unpin(self: PageTypes, mfn: int) -> None:
        frame = self.get_page(mfn)
        self.put_page(mfn)
        if not frame.pinned:
            raise HypercallError(Errno.EINVAL)
        frame.pinned = False

    patch.setattr(PageTypes, "unpin", unpin)


def pins_are_not_remembered(patch: MonkeyPatch) -> None:
    """A frame can be pinned again and again."""
    whole = PageTypes.pin

    def pin(self: PageTypes, mfn: int, kind: FrameType) -> None:
        if self.owns(mfn):
            self[mfn].pinned = False
        whole(self, mfn, kind)

    patch.setattr(PageTypes, "pin", pin)


def any_level_will_do(patch: MonkeyPatch) -> None:
    """An entry may lead to a table of any level."""
    whole = PageTypes.get_page_type

    def get(self: PageTypes, mfn: int, kind: FrameType) -> None:
        frame = self[mfn]
        if frame.type_count and frame.type.is_table and kind.is_table:
            frame.type_count += 1
        else:
            whole(self, mfn, kind)

    patch.setattr(PageTypes, "get_page_type", get)


def nested_tables_are_not_validated(patch: MonkeyPatch) -> None:
    """Only the table itself is looked at, not those that its entries lead to."""
    whole = PageTables.validate

    def validate(self: PageTables, mfn: int, kind: FrameType) -> None:
        if kind in (FrameType.L1, FrameType.L2):
            return
        whole(self, mfn, kind)

    patch.setattr(PageTables, "validate", validate)


def linear_page_tables_are_allowed(patch: MonkeyPatch) -> None:
    """An entry may lead to a table of its own level."""
    whole = PageTables._reference

    def reference(self: PageTables, level: int, entry: int) -> None:
        mfn = E.frame(entry)
        same = level > 1 and self.types.owns(mfn) and self.types[mfn].type == level
        if same and self.types[mfn].type_count:
            self.types.get_page(mfn)
            self.types[mfn].type_count += 1
        else:
            whole(self, level, entry)

    patch.setattr(PageTables, "_reference", reference)


def tables_are_not_released(patch: MonkeyPatch) -> None:
    """A table that is one no longer keeps the references of its entries."""
    patch.setattr(PageTables, "release", nothing)


def old_entries_are_not_released(patch: MonkeyPatch) -> None:
    """An update takes the new entry's references and keeps the old one's."""
    patch.setattr(PageTables, "_unreference", nothing)


def frames_of_others_are_taken(patch: MonkeyPatch) -> None:
    """Read-only mappings of any frame are allowed."""
    whole = PageTables._reference_page

    def reference(self: PageTables, entry: int) -> None:
        if entry & E.WRITABLE or self.types.owns(E.frame(entry)):
            whole(self, entry)

    patch.setattr(PageTables, "_reference_page", reference)


def xens_slots_are_the_guests(patch: MonkeyPatch) -> None:
    """The slots of a root that Xen keeps for itself can be changed."""
    patch.setattr(page_tables, "is_xen_slot", lambda slot: False)


def forbidden_bits_are_stored(patch: MonkeyPatch) -> None:
    """An entry may have any bits."""
    patch.setattr(E, "disallowed", lambda level: 0)


def forbidden_bits_are_stored_where_the_frame_stays(patch: MonkeyPatch) -> None:
    """An entry that changes in its bits only is not looked at."""
    patch.setattr(PageTables, "_check_bits", nothing)


def a_failure_is_not_undone(patch: MonkeyPatch) -> None:
    """Types and entries that a refused request has changed on the way stay so."""
    patch.setattr(PageTypes, "on_failure", nothing)


def a_failure_keeps_its_references(patch: MonkeyPatch) -> None:
    """A table that fails in its second entry keeps what the first one took."""
    whole = PageTables._validate_table

    def validate(self: PageTables, mfn: int, level: int) -> None:
        undo, self._unreference = self._unreference, nothing  # type: ignore[method-assign]
        try:
            whole(self, mfn, level)
        finally:
            self._unreference = undo  # type: ignore[method-assign]

    patch.setattr(PageTables, "_validate_table", validate)


BROKEN: list[Callable[[MonkeyPatch], None]] = [
    no_reference_count_of_types,
    page_tables_may_be_mapped_writable,
    tables_of_level_1_may_be_mapped_writable,
    unpinning_keeps_the_type,
    pins_are_not_remembered,
    any_level_will_do,
    nested_tables_are_not_validated,
    linear_page_tables_are_allowed,
    tables_are_not_released,
    old_entries_are_not_released,
    frames_of_others_are_taken,
    xens_slots_are_the_guests,
    forbidden_bits_are_stored,
    forbidden_bits_are_stored_where_the_frame_stays,
    a_failure_is_not_undone,
    a_failure_keeps_its_references,
]


@settings(
    max_examples=SCRIPTS,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
    report_multiple_bugs=False,
)
@given(st.lists(operations, max_size=30))
def every_script(script: list[tuple]) -> None:
    """The property-based test, the same scripts each time and without looking for the shortest."""
    follow(script)


@pytest.mark.parametrize("breaks", BROKEN, ids=lambda breaks: breaks.__name__)
def test_a_broken_rule_is_caught(
    monkeypatch: MonkeyPatch, breaks: Callable[[MonkeyPatch], None]
) -> None:
    breaks(monkeypatch)
    with pytest.raises((AssertionError, KeyError, HypercallError)):
        every_script()
    counted("mutants caught: page types")


def test_the_rules_as_they_are_pass_the_same_scripts() -> None:
    every_script()
