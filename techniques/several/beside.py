"""The knob `beside`: which VMs share the machine with the one that is measured."""

from __future__ import annotations

from dataclasses import dataclass

from techniques.knobs import Knob, UnknownKnob, Value


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A technique and the workload of the guest that runs under it."""

    technique: str
    workload: str

    def __str__(self) -> str:
        return f"{self.technique}:{self.workload}"


class Beside(Knob):
    """A knob whose value is a list of neighbours, `TECHNIQUE:WORKLOAD` separated by commas."""

    def parse(self, value: Value) -> Value:
        """The value as it is, if it names techniques and workloads by their form."""
        neighbours(str(value))
        return str(value)


def neighbours(value: str) -> list[Neighbour]:
    """The neighbours that a value names; UnknownKnob if it is not of that form."""
    found = []
    for part in filter(None, value.split(",")):
        technique, colon, workload = part.partition(":")
        if not (technique and colon and workload):
            raise UnknownKnob(f"knob beside takes TECHNIQUE:WORKLOAD, not {part!r}")
        if technique == "native":
            raise UnknownKnob("knob beside: a native guest has the machine to itself")
        found.append(Neighbour(technique, workload))
    return found


BESIDE = Beside(
    "beside",
    "",
    (),
    "VMs on the same machine: TECHNIQUE:WORKLOAD, separated by commas",
    "world switches, and a share of the TLBs",
)
