"""A rule of the VM-entry checks, and the tables that rules are declared in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from hardware_model.vmx.exit_reasons import ENTRY_FAILURE_BIT, Reason
from hardware_model.vmx.fields import Field
from hardware_model.vmx.instruction_errors import InstructionError
from hardware_model.vmx.segments import SegmentFields
from hardware_model.vmx.vmcs import Vmcs

MemoryReader = Callable[[int], int]
"""Reads the 8-byte word at an aligned physical address; all ones where there is no memory."""

Check = Callable[[Vmcs], bool]
SegmentCheck = Callable[[Vmcs, SegmentFields], bool]
MemoryCheck = Callable[[Vmcs, MemoryReader], bool]


@dataclass(frozen=True, slots=True)
class Part:
    """Some bits of a field: what a rule depends on where it does not look at the whole field.

    For fields that change at most entries in bits that few rules look at.
    """

    field: Field
    bits: int


Dependency = Field | Part


class Stage(Enum):
    """A kind of checks: a failed control or host rule is a VMfailValid, a guest rule an exit."""

    CONTROL = InstructionError.ENTRY_INVALID_CONTROL
    HOST = InstructionError.ENTRY_INVALID_HOST_STATE
    GUEST = None


@dataclass(frozen=True, slots=True)
class EntryFailure:
    """A refused VM entry: the rule that failed and how the processor reports it.

    `error` is the VM-instruction error number of a VMfailValid, or None; then the entry ends in a
    VM exit with `exit_reason` and `qualification`. `sentence` names the field, its value and the
    rule with its section of the SDM, vol. 3C.
    """

    rule: str
    error: InstructionError | None
    qualification: int
    sentence: str

    @property
    def exit_reason(self) -> int:
        """The exit-reason field if `error` is None: basic reason 33 with bit 31."""
        return Reason.ENTRY_FAILURE_GUEST_STATE | ENTRY_FAILURE_BIT


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: `text` says what must hold, `holds` decides it from nothing but `depends`.

    `subject` is the field that a failure names, and one of `depends`. `section` is that of the SDM,
    vol. 3C; `qualification` is the exit qualification of a failed guest rule (26.7).
    """

    name: str
    stage: Stage
    section: str
    text: str
    subject: Field
    depends: tuple[Dependency, ...]
    holds: Check
    qualification: int = 0

    def passes(self, vmcs: Vmcs, memory: MemoryReader | None) -> bool:
        """Whether the VMCS obeys the rule."""
        return self.holds(vmcs)

    def failure(self, vmcs: Vmcs) -> EntryFailure:
        """The report of a violation."""
        found = f"{self.subject.name} = {vmcs.load(self.subject):#x}"
        sentence = f"{found}: {self.text} (SDM vol. 3C {self.section})"
        return EntryFailure(self.name, self.stage.value, self.qualification, sentence)


@dataclass(frozen=True, slots=True)
class MemoryRule(Rule):
    """A rule that depends on machine memory too; without a reader for it, it passes."""

    holds_in_memory: MemoryCheck | None = None

    def passes(self, vmcs: Vmcs, memory: MemoryReader | None) -> bool:
        """Whether the VMCS and the memory it points to obey the rule."""
        return memory is None or self.holds_in_memory is None or self.holds_in_memory(vmcs, memory)


class RuleTable:
    """The rules of one stage, in the order of their declaration."""

    def __init__(self, stage: Stage) -> None:
        """Begin an empty table."""
        self.stage = stage
        self.rules: list[Rule] = []

    def rule(
        self, section: str, subject: Field, *others: Dependency, qualification: int = 0
    ) -> Callable[[Check], Check]:
        """Declare the decorated function as a rule; its docstring is the rule's text.

        It depends on `subject`, which a failure names, and on `others`.
        """

        def declare(check: Check) -> Check:
            name, text, depends = check.__name__, check.__doc__ or "", (subject, *others)
            self.rules.append(
                Rule(name, self.stage, section, text, subject, depends, check, qualification)
            )
            return check

        return declare

    def memory_rule(
        self, section: str, subject: Field, *others: Dependency, qualification: int = 0
    ) -> Callable[[MemoryCheck], MemoryCheck]:
        """Declare the decorated function as a rule that also reads machine memory."""

        def declare(check: MemoryCheck) -> MemoryCheck:
            self.rules.append(
                MemoryRule(
                    check.__name__,
                    self.stage,
                    section,
                    check.__doc__ or "",
                    subject,
                    (subject, *others),
                    _always,
                    qualification,
                    check,
                )
            )
            return check

        return declare

    def segment_rule(
        self, section: str, segments: tuple[SegmentFields, ...], part: str, *others: Dependency
    ) -> Callable[[SegmentCheck], SegmentCheck]:
        """Declare the decorated function as one rule for each of `segments`.

        `part` is the attribute of `SegmentFields` that a failure names; the rules depend on all
        four fields of the segment and on `others`. A rule's name begins with the segment's.
        """

        def declare(check: SegmentCheck) -> SegmentCheck:
            for segment in segments:
                self.rules.append(
                    Rule(
                        f"{segment.name}_{check.__name__}",
                        self.stage,
                        section,
                        check.__doc__ or "",
                        getattr(segment, part),
                        (*_all_fields(segment), *others),
                        _bound(check, segment),
                    )
                )
            return check

        return declare


def _always(_vmcs: Vmcs) -> bool:
    return True


def _all_fields(segment: SegmentFields) -> tuple[Field, ...]:
    return segment.selector, segment.base, segment.limit, segment.access_rights


def _bound(check: SegmentCheck, segment: SegmentFields) -> Check:
    return lambda vmcs: check(vmcs, segment)
