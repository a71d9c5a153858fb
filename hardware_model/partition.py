"""A part of the machine's memory."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Partition:
    """Machine memory from `base` to `end` that one VMM and its guest have; `number` tells VMMs on one machine apart."""

    base: int
    end: int
    number: int = 0
