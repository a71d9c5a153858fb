"""Hypervisors: every technique is a VMM written against the modelled machine.

`names`, `find` and `knobs` tell what there is; `run_guest` runs one cell.
"""

from techniques.knobs import Knob, UnknownKnob
from techniques.registry import UnknownTechnique, find, knobs, names
from techniques.runner import Outcome, run_guest
from techniques.technique import GuestError, Skipped, Technique

__all__ = [
    "GuestError",
    "Knob",
    "Outcome",
    "Skipped",
    "Technique",
    "UnknownKnob",
    "UnknownTechnique",
    "find",
    "knobs",
    "names",
    "run_guest",
]
