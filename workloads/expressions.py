"""Constant expressions of directives: integers, names of constants, C operators."""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Mapping

from hardware_model.assembly_numbers import hexadecimal

_BINARY: dict[type[ast.operator], Callable[[int, int], int]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.LShift: operator.lshift,
    ast.RShift: operator.rshift,
    ast.BitAnd: operator.and_,
    ast.BitOr: operator.or_,
    ast.BitXor: operator.xor,
}
_COMPARISON: dict[type[ast.cmpop], Callable[[int, int], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_PYTHON = (("&&", " and "), ("||", " or "), ("/", "//"))
_NAME = re.compile(r"(?<![\w.$\\%'\"])[A-Za-z_]\w*")
_BRACKETED = re.compile(r"\[([^\[\]]*)\]")


class NotConstant(Exception):
    """The expression is malformed or uses something that is no constant."""


def evaluate(text: str, constants: Mapping[str, int]) -> int:
    """Value of an expression; raises NotConstant with the reason."""
    for c_operator, python in _PYTHON:
        text = text.replace(c_operator, python)
    text = re.sub(r"!(?!=)", " not ", text)
    try:
        return int(_value(ast.parse(text.strip(), mode="eval").body, constants))
    except (SyntaxError, ZeroDivisionError, ValueError) as error:
        raise NotConstant(f"{text.strip()!r} is not a constant expression") from error


def _value(node: ast.expr, constants: Mapping[str, int]) -> int:
    match node:
        case ast.Constant(value=int(number)):
            return number
        case ast.Constant(value=str(character)) if len(character) == 1:
            return ord(character)
        case ast.Name(id=name) if name in constants:
            return constants[name]
        case ast.Name(id=name):
            raise NotConstant(f"{name} is not a constant known here")
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
            return _BINARY[type(op)](_value(left, constants), _value(right, constants))
        case ast.UnaryOp(op=op, operand=operand):
            return _unary(op, _value(operand, constants))
        case ast.BoolOp(op=op, values=values):
            truths = [bool(_value(value, constants)) for value in values]
            return int(all(truths) if isinstance(op, ast.And) else any(truths))
        case ast.Compare(left=left, ops=[comparison], comparators=[right]):
            compare = _COMPARISON.get(type(comparison))
            if compare:
                return int(compare(_value(left, constants), _value(right, constants)))
    raise NotConstant("the expression uses an operator that has no meaning here")


def _unary(op: ast.unaryop, value: int) -> int:
    match op:
        case ast.USub():
            return -value
        case ast.Invert():
            return ~value
        case ast.Not():
            return int(not value)
    return value


def fold(operands: list[str], constants: Mapping[str, int]) -> list[str]:
    """Operands with constant expressions, also those of whole addresses, replaced by their values.

    Keystone computes with signed 64-bit numbers and refuses operands that go beyond; and in directives
    behind the first instruction it takes decimal numbers for hexadecimal ones, so none is left.
    """
    return [_folded(operand, constants) for operand in operands]


def _folded(operand: str, constants: Mapping[str, int]) -> str:
    value = _constant(operand, constants)
    if value is not None:
        return _literal(value)

    def address(match: re.Match[str]) -> str:
        value = _constant(match[1], constants)
        return match[0] if value is None else f"[{_literal(value)}]"

    operand = substitute(_BRACKETED.sub(address, operand), constants)
    return hexadecimal(operand)


def _constant(text: str, constants: Mapping[str, int]) -> int | None:
    if any(name not in constants for name in _NAME.findall(text)):
        return None  # most operands name a register
    try:
        return evaluate(text, constants)
    except NotConstant:
        return None


def _literal(value: int) -> str:
    return hex(value - (1 << 64) if value >= 1 << 63 else value)


def substitute(text: str, constants: Mapping[str, int]) -> str:
    """`text` with every name of a constant replaced by its value."""

    def value(match: re.Match[str]) -> str:
        number = constants.get(match[0])
        if number is None:
            return match[0]
        return _literal(number) if 0 <= number < 1 << 63 else f"({_literal(number)})"

    return _NAME.sub(value, text)
