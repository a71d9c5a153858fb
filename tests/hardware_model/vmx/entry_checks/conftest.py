"""Breaking a valid VMCS in one place and seeing how the entry is refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from hardware_model.vmx.entry_checks import RULES, EntryFailure, check_entry
from hardware_model.vmx.feature_levels import FeatureLevel
from hardware_model.vmx.fields import Field
from hardware_model.vmx.vmcs import Vmcs

Changes = Mapping[Field, int | Callable[[int], int]]
BY_NAME = {rule.name: rule for rule in RULES}


@pytest.fixture
def refusals(
    valid_vmcs: Callable[[FeatureLevel], Vmcs],
) -> Callable[[str, Changes, FeatureLevel], list[EntryFailure]]:
    """Makes the failures, at `level` and those above, of a VMCS that breaks `rule` by `changes`.

    A change is a field's new value, or what makes it from the old one. That the rule itself is
    broken is asserted; the failure is that of the first broken rule.
    """

    def refuse(rule: str, changes: Changes, level: FeatureLevel) -> list[EntryFailure]:
        failures = []
        for tested in (one for one in FeatureLevel if one >= level):
            vmcs = valid_vmcs(tested)
            for field, change in changes.items():
                vmcs.write(field, change(vmcs.read(field)) if callable(change) else change)
            assert not BY_NAME[rule].passes(vmcs, None)
            failure = check_entry(vmcs)
            assert failure is not None
            failures.append(failure)
        return failures

    return refuse
