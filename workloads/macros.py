"""Macro expansion and conditional assembly: GNU-like directives, every statement keeping its place.

    .macro NAME a, b=default ... .endm      \\a is the argument; %%label is unique in each use
    .rept COUNT ... .endr                   .irp name, x, y, z ... .endr     (\\name)
    .if EXPRESSION | .ifdef NAME | .ifndef NAME ... .elseif ... .else ... .endif
    .set NAME, EXPRESSION                   .error "sentence"
    .name:                                  a label local to the routine (the last label without a dot)

Keystone has directives of the same names, but its errors carry no line and some forms fail silently.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from workloads.blocks import (
    BRANCHES,
    CLOSING,
    OPENING,
    block_end,
    branches,
    replaced,
    split_arguments,
)
from workloads.expressions import NotConstant, evaluate, fold, substitute
from workloads.source import Statement, outside_quotes

_LOCAL = re.compile(r"(?<![\w\])%.])\.([A-Za-z_]\w*)")
_NAME = re.compile(r"[A-Za-z_]\w*\Z")
_TEXTS = (".ascii", ".asciz", ".string")
_MAXIMUM_DEPTH = 32
_MAXIMUM_STATEMENTS = 50_000


@dataclass(frozen=True, slots=True)
class Macro:
    """A definition: parameters in order with their defaults (None: the argument is required)."""

    parameters: tuple[tuple[str, str | None], ...]
    body: Sequence[Statement]


class Expander:
    """Expands statements; `constants` are the names defined so far."""

    def __init__(self, constants: Mapping[str, int]) -> None:
        self.constants = dict(constants)
        self._macros: dict[str, Macro] = {}
        self._uses = 0
        self._emitted = 0
        self._routine = 0

    def expand(self, statements: Sequence[Statement]) -> Iterator[Statement]:
        """Plain instructions, data directives and labels; AssemblyError at the first mistake."""
        yield from self._expand(statements, 0)

    def _expand(self, statements: Sequence[Statement], depth: int) -> Iterator[Statement]:
        at = 0
        while at < len(statements):
            statement = statements[at]
            at += 1
            if statement.word in OPENING:
                end = block_end(statements, at - 1)
                yield from self._block(statement, statements[at:end], depth)
                at = end + 1
            elif statement.word in CLOSING or statement.word in BRANCHES:
                raise statement.error(f"{statement.word} closes nothing")
            elif statement.word in self._macros:
                yield from self._use(statement, depth)
            else:
                yield from self._plain(statement)

    def _block(self, head: Statement, body: Sequence[Statement], depth: int) -> Iterator[Statement]:
        match head.word:
            case ".macro":
                self._define(head, body)
            case ".rept":
                for _ in range(self._evaluate(head, head.rest)):
                    yield from self._expand(body, depth + 1)
            case ".irp":
                name, *values = split_arguments(head.rest)
                for value in values:
                    yield from self._expand(replaced(body, {name: value}), depth + 1)
            case _:
                yield from self._expand(self._branch(head, body), depth)

    def _define(self, head: Statement, body: Sequence[Statement]) -> None:
        name, _, rest = head.rest.partition(" ")
        parameters = []
        for parameter in split_arguments(rest):
            formal, equals, default = (part.strip() for part in parameter.partition("="))
            parameters.append((formal, default if equals else None))
        self._macros[name] = Macro(tuple(parameters), body)

    def _use(self, use: Statement, depth: int) -> Iterator[Statement]:
        if depth >= _MAXIMUM_DEPTH:
            raise use.error(f"macro {use.word} is used inside itself without end")
        macro = self._macros[use.word]
        given = split_arguments(use.rest)
        if len(given) > len(macro.parameters):
            expected = len(macro.parameters)
            raise use.error(
                f"macro {use.word} takes {expected} argument(s) but {len(given)} are given"
            )
        values = dict(zip((formal for formal, _ in macro.parameters), given, strict=False))
        for formal, default in macro.parameters:
            if formal not in values:
                if default is None:
                    raise use.error(f"macro {use.word} needs an argument for {formal}")
                values[formal] = default
        self._uses += 1
        body = replaced(macro.body, values, self._uses, use)
        yield from self._expand(body, depth + 1)

    def _branch(self, head: Statement, body: Sequence[Statement]) -> Sequence[Statement]:
        for condition, part in branches(head, body):
            if self._holds(condition):
                return part
        return ()

    def _holds(self, condition: Statement) -> bool:
        match condition.word:
            case ".ifdef":
                return condition.rest in self.constants
            case ".ifndef":
                return condition.rest not in self.constants
            case ".else":
                return True
        return bool(self._evaluate(condition, condition.rest))

    def _evaluate(self, statement: Statement, expression: str) -> int:
        try:
            return evaluate(expression, self.constants)
        except NotConstant as error:
            raise statement.error(str(error)) from None

    def _plain(self, statement: Statement) -> Iterator[Statement]:
        self._emitted += 1
        if self._emitted > _MAXIMUM_STATEMENTS:
            raise statement.error(f"the source expands to more than {_MAXIMUM_STATEMENTS} lines")
        if statement.word == ".error":
            raise statement.error(statement.rest.strip('"'))
        if statement.word in (".set", ".equ"):
            yield from self._set(statement)
        elif statement.text.endswith(":") and not statement.rest:
            yield self._label(statement)
        else:
            yield statement.with_text(self._resolved(statement))

    def _set(self, statement: Statement) -> Iterator[Statement]:
        name, _, expression = statement.rest.partition(",")
        if not _NAME.match(name.strip()) or not expression.strip():
            raise statement.error(".set needs a name, a comma and an expression")
        try:
            self.constants[name.strip()] = evaluate(expression, self.constants)
        except NotConstant:  # an expression over labels: Keystone knows their addresses
            resolved = substitute(expression, self.constants)
            yield statement.with_text(f".set {name.strip()}, {resolved}")

    def _label(self, statement: Statement) -> Statement:
        if statement.text.startswith("."):
            return statement.with_text(f"L{self._routine}_{statement.text[1:]}")
        if not statement.text.startswith("L_"):
            self._routine += 1
        return statement

    def _resolved(self, statement: Statement) -> str:
        if statement.word in _TEXTS:
            return statement.text
        pieces = outside_quotes(statement.rest)
        for position in range(0, len(pieces), 2):
            pieces[position] = _LOCAL.sub(rf"L{self._routine}_\1", pieces[position])
        operands = split_arguments("".join(pieces))
        return f"{statement.word} {', '.join(fold(operands, self.constants))}".strip()
