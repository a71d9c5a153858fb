"""A number with its uncertainty and its origin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

Kind = Literal["measured", "calibrated", "estimated"]

KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True, slots=True)
class Quantity:
    """`value` within [`low`, `high`], in `unit`.

    `kind` tells how the value came about: measured (published figure), calibrated (set by a rule
    from published figures) or estimated (reasoned). `source` names the figure: a key of the
    preset's sources, a colon, and the place.
    """

    value: float
    low: float
    high: float
    unit: str
    kind: Kind
    source: str
