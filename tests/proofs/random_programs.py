"""Random programs out of statements, and the smallest one that still fails.

A program is a tuple of lists of statements and of numbers. Any statement may be left out and any number be another one, so
that what fails can be made smaller.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from random import Random
from typing import Any

Statement = tuple[Any, ...]


def statements(chance: Random, kinds: Iterable[str], most: int) -> tuple[Statement, ...]:
    """Up to `most` statements with three numbers each.

    Each list has some of the kinds only, and many numbers below a small bound: so its statements meet in the same
    places (swarm testing).
    """
    names = sorted(kinds)
    names = chance.sample(names, chance.randrange(1, len(names) + 1))
    bound = chance.choice((2, 8, 24))

    def number() -> int:
        return chance.randrange(bound if chance.random() < 0.7 else 0x10000)

    return tuple(
        (chance.choice(names), number(), number(), number())
        for _ in range(chance.randrange(most + 1))
    )


def smallest(program: Any, fails: Callable[[Any], Any]) -> Any:
    """What remains of a failing program when nothing in it can be left out or be a smaller number."""
    while True:
        simpler = next((other for other in _simpler(program) if fails(other)), None)
        if simpler is None:
            return program
        program = simpler


def _simpler(program: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    """Programs with less in them, the largest steps first."""
    for at, part in enumerate(program):
        if isinstance(part, tuple):
            for shorter in _without(part):
                yield (*program[:at], shorter, *program[at + 1 :])
    for at, part in enumerate(program):
        for smaller in _smaller(part):
            yield (*program[:at], smaller, *program[at + 1 :])


def _without(part: tuple[Statement, ...]) -> Iterator[tuple[Statement, ...]]:
    size = len(part)
    while size:
        for at in range(0, len(part), size):
            yield part[:at] + part[at + size :]
        size //= 2


def _smaller(part: Any) -> Iterator[Any]:
    """The same with one number that is 0, or half of what it was."""
    if isinstance(part, tuple):
        for at, inner in enumerate(part):
            for smaller in _smaller(inner):
                yield (*part[:at], smaller, *part[at + 1 :])
    elif not isinstance(part, str) and part:
        yield type(part)(0)
        if part > 1:
            yield part // 2


def check(
    seeds: Iterable[int], program: Callable[[Random], Any], differences: Callable[[Any], Any]
) -> None:
    """Try the programs of `seeds`; AssertionError with the seed and the smallest program that differs."""
    for seed in seeds:
        whole = program(Random(seed))
        if differences(whole):
            found = smallest(whole, differences)
            raise AssertionError(f"seed {seed}, smallest program: {found!r}\n{differences(found)}")
