"""Machine code of expanded statements, through Keystone in Intel syntax.

Keystone says neither which line is wrong nor where labels lie. The first is found by bisection over
prefixes of the source, the second by a table of `.quad label` behind the code, cut off afterwards.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Sequence
from typing import Any

from workloads.source import Statement, outside_quotes

_LOCAL = re.compile(r"L_?\d+_")
_SYMBOL_MISSING = 144  # KS_ERR_ASM_SYMBOL_MISSING
_Resolver = Callable[[bytes, Any], bool]


def encode(statements: Sequence[Statement], base: int) -> tuple[bytes, dict[str, int]]:
    """Code at linear address `base` and the address of every label; AssemblyError at a mistake."""
    _check_labels(statements)
    labels = [label for s in statements if (label := _label(s)) and not _LOCAL.match(label)]
    table = ".quad " + ", ".join(labels) + "\n" if labels else ""
    source = "\n".join(statement.text for statement in statements) + "\n" + table
    code = _assemble(source, base, statements)
    size = len(code) - 8 * len(labels)
    addresses = struct.unpack(f"<{len(labels)}Q", code[size:])
    return code[:size], dict(zip(labels, addresses, strict=True))


def _label(statement: Statement) -> str | None:
    return statement.text[:-1] if statement.text.endswith(":") else None


def _check_labels(statements: Sequence[Statement]) -> None:
    seen: dict[str, Statement] = {}
    for statement in statements:
        label = _label(statement)
        if label is None:
            continue
        if label in seen:
            name = _LOCAL.sub(".", label)
            raise statement.error(f"label {name} is already defined at {seen[label].place}")
        seen[label] = statement


def _assemble(source: str, base: int, statements: Sequence[Statement]) -> bytes:
    from keystone import KsError

    missing: list[str] = []

    def resolve(symbol: bytes, value: Any) -> bool:
        missing.append(symbol.decode())
        return False

    try:
        code = _keystone(source, base, resolve)
    except UnicodeEncodeError:
        raise _first(statements, lambda s: not s.text.isascii()).error(
            "only ASCII characters can be assembled"
        ) from None
    except KsError as error:
        if error.errno == _SYMBOL_MISSING and missing:
            name = missing[0]
            user = _first(statements, lambda s: _mentions(s, name))
            raise user.error(f"{_LOCAL.sub('.', name)} is not defined") from None
        raise _culprit(statements, base) from None
    return code


def _keystone(source: str, base: int, resolve: _Resolver) -> bytes:
    from keystone import KS_ARCH_X86, KS_MODE_64, Ks

    engine = Ks(KS_ARCH_X86, KS_MODE_64)
    engine.sym_resolver = resolve
    code, _ = engine.asm(source, base, as_bytes=True)
    return code or b""


def _culprit(statements: Sequence[Statement], base: int) -> Exception:
    """The error for the first statement that Keystone cannot parse."""
    from keystone import KsError

    def resolve(symbol: bytes, value: Any) -> bool:
        value[0] = base
        return True

    good, bad, reason = 0, len(statements), "cannot be assembled"
    while bad - good > 1 or good == 0:
        middle = (good + bad) // 2
        try:
            _keystone("\n".join(s.text for s in statements[:middle]) + "\n", base, resolve)
            good = middle
        except KsError as error:
            bad, reason = middle, str(error).split(" (")[0].lower()
        if bad <= 1:
            break
    culprit = statements[bad - 1]
    return culprit.error(f"cannot assemble {culprit.text!r}: {reason}")


def _first(statements: Sequence[Statement], wanted: Callable[[Statement], bool]) -> Statement:
    return next((s for s in statements if wanted(s)), statements[-1])


def _mentions(statement: Statement, name: str) -> bool:
    code = "".join(outside_quotes(statement.text)[::2])
    return re.search(rf"(?<![\w.]){re.escape(name)}(?![\w.])", code) is not None
