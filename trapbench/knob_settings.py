"""Knob settings: `KNOB=VALUE` for each technique that has it, `TECHNIQUE.KNOB=VALUE` for one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from results.cell import KnobValue
from trapbench.errors import SelectionError, unknown

if TYPE_CHECKING:
    from techniques import Knob

Declared = Mapping[str, Mapping[str, "Knob"]]
_BOOLEANS = {"on": True, "yes": True, "off": False, "no": False}


def parse(texts: Iterable[str]) -> dict[str, str]:
    """Settings from `--set` texts; SelectionError for one without `=` or given twice."""
    settings: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not (name and equals):
            raise SelectionError(f"--set {text!r} is not of the form KNOB=VALUE")
        if name in settings:
            raise SelectionError(f"--set {name} is given twice")
        settings[name] = value
    return settings


def by_technique(
    settings: Mapping[str, KnobValue], declared: Declared
) -> dict[str, dict[str, KnobValue]]:
    """Knobs that differ from their defaults, per technique of `declared`.

    Raises SelectionError for a knob that none of them has, techniques.UnknownKnob for a value that
    it does not take.
    """
    chosen: dict[str, dict[str, KnobValue]] = {technique: {} for technique in declared}
    for name, value in settings.items():
        for technique, knob in _owners(name, declared):
            converted = _parsed(knob, value)
            if converted != knob.default:
                chosen[technique][knob.name] = converted
    return chosen


def _parsed(knob: Knob, value: KnobValue) -> KnobValue:
    """The choice that `value` names; on, off, yes and no are other words for booleans."""
    if isinstance(knob.default, bool):
        value = _BOOLEANS.get(str(value).lower(), value)
    return knob.parse(value)


def _owners(name: str, declared: Declared) -> list[tuple[str, Knob]]:
    """The techniques and their knob that a setting's name means; a knob's name may hold dots."""
    everywhere = [(t, knobs[name]) for t, knobs in declared.items() if name in knobs]
    if everywhere:
        return everywhere
    technique, _, knob = name.partition(".")
    if knob in declared.get(technique, {}):
        return [(technique, declared[technique][knob])]
    known = {k for knobs in declared.values() for k in knobs}
    raise unknown(
        "knob", name, known | {f"{t}.{k}" for t, knobs in declared.items() for k in knobs}
    )
