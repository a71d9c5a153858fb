"""Knobs: declared options of techniques, with their price."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

Value = str | int | bool


class UnknownKnob(ValueError):
    """A knob that the technique does not have, or a value that the knob does not take."""


@dataclass(frozen=True, slots=True)
class Knob:
    """One option: `default`, allowed `choices`, what it does (`doc`) and what it costs or saves (`price`)."""

    name: str
    default: Value
    choices: tuple[Value, ...]
    doc: str
    price: str

    def parse(self, value: Value) -> Value:
        """The choice that `value` (as given on a command line) names; UnknownKnob if it names none."""
        for choice in self.choices:
            if str(choice).lower() == str(value).lower():
                return choice
        allowed = ", ".join(str(choice) for choice in self.choices)
        raise UnknownKnob(f"knob {self.name} takes one of {allowed}, not {value!r}")


def resolve(technique: str, knobs: Sequence[Knob], given: Mapping[str, Value]) -> dict[str, Value]:
    """Every knob's value, `given` over the defaults; UnknownKnob names what the technique does not have."""
    known = {knob.name: knob for knob in knobs}
    for name in given:
        if name not in known:
            names = ", ".join(known) or "none"
            raise UnknownKnob(f"technique {technique} has no knob {name!r}; it has: {names}")
    return {name: knob.parse(given.get(name, knob.default)) for name, knob in known.items()}
