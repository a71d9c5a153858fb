"""Running the rules: once over a VMCS, or before every entry over what has changed in it."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from hardware_model.vmx.entry_checks.apic_virtualization import APIC_VIRTUALIZATION
from hardware_model.vmx.entry_checks.execution_controls import EXECUTION_CONTROLS
from hardware_model.vmx.entry_checks.guest_activity import GUEST_ACTIVITY
from hardware_model.vmx.entry_checks.guest_pointers import GUEST_POINTERS
from hardware_model.vmx.entry_checks.guest_registers import GUEST_REGISTERS
from hardware_model.vmx.entry_checks.guest_segments import GUEST_SEGMENTS
from hardware_model.vmx.entry_checks.guest_tables import GUEST_TABLES
from hardware_model.vmx.entry_checks.host_state import HOST_STATE
from hardware_model.vmx.entry_checks.injection import INJECTION
from hardware_model.vmx.entry_checks.rule import (
    Dependency,
    EntryFailure,
    MemoryReader,
    MemoryRule,
    Part,
    Rule,
)
from hardware_model.vmx.entry_checks.transition_controls import TRANSITION_CONTROLS
from hardware_model.vmx.layout import CHECKED_WORDS, FIELD_AT, FIRST_FIELD_WORD, WORD_INDEX
from hardware_model.vmx.vmcs import Vmcs

_TABLES = (
    EXECUTION_CONTROLS,
    APIC_VIRTUALIZATION,
    TRANSITION_CONTROLS,
    INJECTION,
    HOST_STATE,
    GUEST_REGISTERS,
    GUEST_SEGMENTS,
    GUEST_TABLES,
    GUEST_ACTIVITY,
    GUEST_POINTERS,
)

RULES: tuple[Rule, ...] = tuple(rule for table in _TABLES for rule in table.rules)
"""Every rule in the order of the checks: controls, host state, guest state."""


_PARTS = tuple(dict.fromkeys(part for r in RULES for part in r.depends if isinstance(part, Part)))
_PART_WORDS = [(WORD_INDEX[part.field] - FIRST_FIELD_WORD, part.bits) for part in _PARTS]

_KNOWN = 1024
"""States that a checker remembers: an injected event's differ in the guest's flags."""

_Change = tuple[bytes, tuple[bool, ...]]
"""Which checked words differ, and which of `_PARTS` do."""


def _first_failure(
    rules: Iterable[Rule], vmcs: Vmcs, memory: MemoryReader | None
) -> EntryFailure | None:
    for rule in rules:
        if not rule.passes(vmcs, memory):
            return rule.failure(vmcs)
    return None


def check_entry(vmcs: Vmcs, *, memory: MemoryReader | None = None) -> EntryFailure | None:
    """Check a VMCS for VM entry; None if the entry may proceed, else the first rule that fails.

    `memory` reads machine memory for the rules on what the VMCS points to; without it they pass.
    """
    return _first_failure(RULES, vmcs, memory)


class EntryChecker:
    """Checks one VMCS before each of its entries, with the same answers as `check_entry`.

    A rule depends on nothing but what it declares, so after a check that passed, only rules can
    fail that depend on something changed since, by whatever writer; and none if all is as it was
    at some check that passed. Rules on machine memory are always checked.
    """

    def __init__(self, vmcs: Vmcs, *, memory: MemoryReader | None = None) -> None:
        """Check `vmcs` from now on; the first check evaluates every rule."""
        self._vmcs = vmcs
        self._memory = memory
        self._words = vmcs.words[CHECKED_WORDS]
        self._bytes = self._words.data.cast("B")
        self._passed: bytes | None = None
        self._known: set[bytes] = set()
        self._rules_by_change: dict[_Change, tuple[Rule, ...]] = {}

    def check(self) -> EntryFailure | None:
        """None if the entry may proceed, else the first rule that fails."""
        state = self._bytes.tobytes()
        if self._memory is None and state in self._known:
            self._passed = state
            return None
        failure = _first_failure(self._rules(), self._vmcs, self._memory)
        if failure is None:
            self._passed = state
            self._remember(state)
        return failure

    def _remember(self, state: bytes) -> None:
        if len(self._known) >= _KNOWN:
            self._known.clear()
        self._known.add(state)

    def _rules(self) -> tuple[Rule, ...]:
        """The rules that may fail now."""
        if self._passed is None:
            return RULES
        now, passed = self._words, np.frombuffer(self._passed, np.uint64)
        words = (now != passed).tobytes()
        parts = tuple(
            [
                bool(words[word] and (now.item(word) ^ passed.item(word)) & bits)
                for word, bits in _PART_WORDS
            ]
        )
        change = (words, parts)
        rules = self._rules_by_change.get(change)
        if rules is None:
            rules = self._rules_by_change[change] = self._affected(*change)
        return rules

    def _affected(self, words: bytes, parts: tuple[bool, ...]) -> tuple[Rule, ...]:
        changed: set[Dependency] = {
            FIELD_AT[FIRST_FIELD_WORD + i] for i, differs in enumerate(words) if differs
        }
        changed.update(part for part, differs in zip(_PARTS, parts, strict=True) if differs)
        return tuple(
            rule
            for rule in RULES
            if not changed.isdisjoint(rule.depends)
            or (isinstance(rule, MemoryRule) and self._memory is not None)
        )
