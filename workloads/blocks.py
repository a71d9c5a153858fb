"""Blocks of statements: where they end, their branches, and copies of them with arguments put in."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from workloads.source import Statement

OPENING = {
    ".macro": ".endm",
    ".rept": ".endr",
    ".irp": ".endr",
    ".if": ".endif",
    ".ifdef": ".endif",
    ".ifndef": ".endif",
}
CLOSING = frozenset(OPENING.values())
BRANCHES = (".else", ".elseif")


def split_arguments(text: str) -> list[str]:
    """Arguments separated by commas that stand outside brackets."""
    if not text.strip():
        return []
    arguments, depth = [""], 0
    for character in text:
        depth += (character in "([") - (character in ")]")
        if character == "," and depth == 0:
            arguments.append("")
        else:
            arguments[-1] += character
    return [argument.strip() for argument in arguments]


def block_end(statements: Sequence[Statement], start: int) -> int:
    """Where the block that opens at `start` closes; AssemblyError if it does not."""
    expected: list[str] = []
    for at in range(start, len(statements)):
        word = statements[at].word
        if word in OPENING:
            expected.append(OPENING[word])
        elif word in CLOSING:
            if word != expected.pop():
                raise statements[at].error(f"{word} does not close {statements[start].word}")
            if not expected:
                return at
    raise statements[start].error(f"{statements[start].word} is never closed")


def branches(
    head: Statement, body: Sequence[Statement]
) -> Iterator[tuple[Statement, Sequence[Statement]]]:
    """The conditions of one .if with the statements that each one guards."""
    depth, start, condition = 0, 0, head
    for at, statement in enumerate(body):
        depth += (statement.word in OPENING) - (statement.word in CLOSING)
        if depth == 0 and statement.word in BRANCHES:
            yield condition, body[start:at]
            condition, start = statement, at + 1
    yield condition, body[start:]


def replaced(
    body: Iterable[Statement],
    values: Mapping[str, str],
    use: int | None = None,
    used_by: Statement | None = None,
) -> list[Statement]:
    """The body with `\\name` replaced by values and `%%label` made unique."""
    pattern = re.compile(r"\\(" + "|".join(sorted(values, key=len, reverse=True)) + r")\b")
    result = []
    for statement in body:
        text = statement.text
        if values:
            text = pattern.sub(lambda match: values[match[1]], text)
        if use is not None:
            text = text.replace("%%", f"L_{use}_")
        if used_by is None:
            result.append(replace(statement, text=text))
        else:  # the code goes where the macro is used, not where it is defined
            used_at = used_by.used_at or used_by.place
            section = used_by.section
            result.append(replace(statement, text=text, used_at=used_at, section=section))
    return result
