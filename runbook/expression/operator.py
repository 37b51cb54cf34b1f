"""Operators on values: strict about kinds, bounded in size.

Numbers go with numbers and texts with texts. A comparison across kinds is a fault and not "unequal", because
`status != "200"` on a number would hold for ever. Null has no size and no equal: that is NoValue, unless null
itself is what was asked for.
"""

from __future__ import annotations

from collections.abc import Mapping

from runbook.expression.fault import Fault, NoValue
from runbook.expression.node import BinaryOp, CompareOp
from runbook.expression.value import MAX_BITS, MAX_ITEMS, MAX_TEXT, TOO_LONG, kind_of, number, refuse_secret
from runbook.secret import Secret


def calculate(op: BinaryOp, left: object, right: object) -> object:
    """Return the result of arithmetic; raises Fault, or NoValue if an operand is absent."""
    for value in (left, right):
        if value is None:
            raise NoValue(f"no value: null cannot be used with {op}")
        refuse_secret(value)
    if op == "+" and isinstance(left, str) and isinstance(right, str):
        if len(left) + len(right) > MAX_TEXT:
            raise Fault(TOO_LONG)
        return left + right
    if op == "+" and isinstance(left, list | tuple) and isinstance(right, list | tuple):
        if len(left) + len(right) > MAX_ITEMS:
            raise Fault(f"the list would have more than {MAX_ITEMS} elements")
        return [*left, *right]
    if isinstance(left, str | list | tuple | Mapping) or isinstance(right, str | list | tuple | Mapping):
        raise Fault(f"{kind_of(left)} {op} {kind_of(right)} is not possible")
    return _arithmetic(op, number(left), number(right))


def _arithmetic(op: BinaryOp, left: float, right: float) -> int | float:
    if op in {"/", "//", "%"} and right == 0:
        raise NoValue("no value: division by zero")
    made: int | float
    try:
        match op:
            case "+":
                made = left + right
            case "-":
                made = left - right
            case "*":
                made = left * right
            case "/":
                made = left / right
            case "//":
                made = left // right
            case "%":
                made = left % right
    except OverflowError:
        raise Fault("the number is too large") from None
    if isinstance(made, int) and made.bit_length() > MAX_BITS:
        raise Fault("the number is too large")
    return number(made)


def compare(op: CompareOp, left: object, right: object, *, null_is_meant: bool) -> bool:
    """Return whether a comparison holds; raises Fault, or NoValue if an operand is absent.

    Args:
        op: the operator.
        left: a value.
        right: another.
        null_is_meant: one side is written as `null`, so that absence is what is asked for.
    """
    refuse_secret(left)
    refuse_secret(right)
    if op in {"in", "not in"}:
        return _contains(right, left) is (op == "in")
    if op in {"==", "!="}:
        return _equal(left, right, null_is_meant=null_is_meant) is (op == "==")
    if isinstance(left, str) and isinstance(right, str):
        return _ordered(op, left, right)
    return _ordered(op, number(left), number(right))


def _ordered(op: CompareOp, left: str | float, right: str | float) -> bool:
    # Both are texts or both are numbers, which the types cannot say.
    below, same = left < right, left == right  # type: ignore[operator]
    match op:
        case "<":
            return below
        case "<=":
            return below or same
        case ">":
            return not (below or same)
        case _:
            return not below


def _equal(left: object, right: object, *, null_is_meant: bool) -> bool:
    if left is None or right is None:
        if null_is_meant:
            return left is right
        raise NoValue("no value: null on one side", remedy="to ask for absence, compare with null itself")
    for value in (left, right):
        if isinstance(value, int | float) and not isinstance(value, bool):
            number(value)
    if isinstance(left, str) is not isinstance(right, str):
        raise Fault(
            f"{kind_of(left)} is never equal to {kind_of(right)}",
            remedy="make both sides the same kind with str(…) or int(…)",
        )
    return bool(left == right)


def _contains(whole: object, part: object) -> bool:
    if whole is None or part is None:
        raise NoValue("no value: null cannot be used with in")
    if isinstance(whole, str):
        if not isinstance(part, str):
            raise Fault(f"{kind_of(part)} cannot be in text", remedy="write str(…) around it")
        return part in whole
    if isinstance(whole, list | tuple):
        if any(isinstance(element, Secret) for element in whole):
            raise Fault("a secret may only be passed on as it is")
        return part in whole
    if isinstance(whole, Mapping):
        return isinstance(part, str | int) and part in whole
    raise Fault(f"nothing can be in {kind_of(whole)}")
