"""Checks on the VM-exit and VM-entry control fields (SDM vol. 3C 26.2.1.2 and 26.2.1.3)."""

from __future__ import annotations

from hardware_model.vmx.controls import Entry, Exit, PinBased
from hardware_model.vmx.entry_checks.predicates import pin_based
from hardware_model.vmx.entry_checks.rule import Check, RuleTable, Stage
from hardware_model.vmx.fields import Field
from hardware_model.vmx.vmcs import Vmcs

MSR_ENTRY_BYTES = 16
"""The size of an entry of an MSR-load or MSR-store area (24.7.2, table 24-11)."""

_SMM_CONTROLS = int(Entry.ENTRY_TO_SMM | Entry.DEACTIVATE_DUAL_MONITOR)

TRANSITION_CONTROLS = RuleTable(Stage.CONTROL)
_rule = TRANSITION_CONTROLS.rule


@_rule("26.2.1.2", Field.EXIT_CONTROLS)
def exit_controls_are_supported(v: Vmcs) -> bool:
    """reserved and unsupported controls must have their required setting"""
    return v.capabilities.exit.admits(v.load(Field.EXIT_CONTROLS))


@_rule("26.2.1.2", Field.EXIT_CONTROLS, Field.PIN_BASED_CONTROLS)
def saved_timer_is_active(v: Vmcs) -> bool:
    """save VMX-preemption timer must be 0 if the timer is not activated"""
    if pin_based(v, PinBased.PREEMPTION_TIMER):
        return True
    return not v.load(Field.EXIT_CONTROLS) & int(Exit.SAVE_PREEMPTION_TIMER)


@_rule("26.2.1.3", Field.ENTRY_CONTROLS)
def entry_controls_are_supported(v: Vmcs) -> bool:
    """reserved and unsupported controls must have their required setting"""
    return v.capabilities.entry.admits(v.load(Field.ENTRY_CONTROLS))


@_rule("26.2.1.3", Field.ENTRY_CONTROLS)
def entry_is_not_for_smm(v: Vmcs) -> bool:
    """entry to SMM and deactivate dual-monitor treatment must be 0 outside SMM"""
    return not v.load(Field.ENTRY_CONTROLS) & _SMM_CONTROLS


def _msr_area(section: str, name: str, address: Field, count: Field) -> None:
    """Declare the two rules of one MSR area."""

    def is_aligned(v: Vmcs) -> bool:
        """the address of an MSR area in use must be 16-byte aligned"""
        return not v.load(count) or not v.load(address) & 0xF

    def is_in_memory(v: Vmcs) -> bool:
        """no byte of an MSR area in use may lie beyond the physical-address width"""
        entries = v.load(count)
        last = v.load(address) + entries * MSR_ENTRY_BYTES - 1
        return not entries or not last >> v.capabilities.physical_address_bits

    checks: tuple[Check, ...] = (is_aligned, is_in_memory)
    for check in checks:
        check.__name__ = f"{name}_{check.__name__}"
        _rule(section, address, count)(check)


_msr_area(
    "26.2.1.2",
    "exit_msr_store_area",
    Field.EXIT_MSR_STORE_ADDRESS,
    Field.EXIT_MSR_STORE_COUNT,
)
_msr_area(
    "26.2.1.2",
    "exit_msr_load_area",
    Field.EXIT_MSR_LOAD_ADDRESS,
    Field.EXIT_MSR_LOAD_COUNT,
)
_msr_area(
    "26.2.1.3",
    "entry_msr_load_area",
    Field.ENTRY_MSR_LOAD_ADDRESS,
    Field.ENTRY_MSR_LOAD_COUNT,
)
