"""The limits of the language, enforced while nodes are made; both parsers go through here.

A source is refused when it is read, so that `validate` finds what a run would stumble over.
"""

from __future__ import annotations

from typing import cast

from runbook.expression.fault import Fault
from runbook.expression.function import ACROSS, FUNCTIONS
from runbook.expression.name import did_you_mean
from runbook.expression.node import BinaryOp, Call, Compare, CompareOp, Const, Item, Logic, Node, Ref, children
from runbook.expression.value import MAX_BITS

MAX_DEPTH = 50
"""Deepest nesting of nodes."""

CONSTANTS: dict[str, bool | None] = {
    "true": True,
    "True": True,
    "false": False,
    "False": False,
    "null": None,
    "None": None,
    "none": None,
}


def check_depth(depth: int, at: int) -> None:
    """Refuse what is nested too deeply; raises Fault."""
    if depth > MAX_DEPTH:
        raise Fault(f"nested more than {MAX_DEPTH} deep", at=at, remedy="say it in smaller parts")


def make_const(at: int, value: object) -> Const:
    """Return a literal; raises Fault for a kind that the language does not have."""
    if value is None or isinstance(value, bool | str):
        return Const(at, value)
    if isinstance(value, int) and value.bit_length() <= MAX_BITS:
        return Const(at, value)
    if isinstance(value, float) and abs(value) != float("inf"):
        return Const(at, value)
    if isinstance(value, int | float):
        raise Fault("the number is too large", at=at)
    raise Fault("there is no such literal here", at=at, remedy="use numbers, texts, true, false, null and lists")


def make_name(at: int, name: str) -> Node:
    """Return a name, or the constant that it spells."""
    return Const(at, CONSTANTS[name]) if name in CONSTANTS else Ref(at, (name,))


def make_part(at: int, base: Node, key: object) -> Node:
    """Return `base.key` or `base[key]`; a dotted name stays one."""
    if isinstance(key, str):
        return Ref(base.at, (*base.path, key)) if isinstance(base, Ref) else Item(at, base, key)
    if isinstance(key, int) and not isinstance(key, bool) and abs(key) < 2**31:
        return Item(at, base, key)
    raise Fault("brackets take a text or a number that is written out", at=at, remedy="such as [0] or ['name']")


def make_logic(at: int, op: str, parts: tuple[Node, ...]) -> Logic:
    """Return a chain of `and` or `or`."""
    return Logic(at, "or" if op == "or" else "and", parts)


def make_binary_op(op: str) -> BinaryOp:
    """Narrow a symbol that a parser's table has already checked."""
    return cast(BinaryOp, op)


def make_compare(at: int, first: Node, rest: tuple[tuple[str, Node], ...]) -> Compare:
    """Return a chain of comparisons; the operators come from a parser's table."""
    return Compare(at, first, tuple((cast(CompareOp, op), right) for op, right in rest))


def make_call(at: int, name: str, args: tuple[Node, ...]) -> Call:
    """Return a call; raises Fault for an unknown function, a wrong number of arguments or a bad pattern."""
    function = FUNCTIONS.get(name)
    if function is None:
        raise Fault(
            f"there is no function {name[:64]}",
            at=at,
            remedy=did_you_mean(name, FUNCTIONS) or f"there are {', '.join(FUNCTIONS)}",
        )
    if not function.least <= len(args) <= function.most:
        raise Fault(f"{name} is written {function.usage}", at=at)
    # Each level goes over all hosts: nested ones would multiply.
    if name in ACROSS and any(_looks_across(arg) for arg in args):
        raise Fault("any, all and one cannot stand inside each other", at=at, remedy="join two of them with and, or")
    if name == "matches":
        _check_pattern(args[1])
    return Call(at, name, args)


def _check_pattern(pattern: Node) -> None:
    from runbook.expression.pattern import compile_pattern

    if isinstance(pattern, Const) and isinstance(pattern.value, str):
        try:
            compile_pattern(pattern.value)
        except Fault as fault:
            fault.at = pattern.at
            raise


def _looks_across(node: Node) -> bool:
    return (isinstance(node, Call) and node.name in ACROSS) or any(_looks_across(below) for below in children(node))
