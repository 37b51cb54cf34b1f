"""Expressions to nodes: Python's own grammar, of which an allow-list is kept and nothing is ever executed."""

from __future__ import annotations

import ast
import re

from runbook.expression.fault import Fault
from runbook.expression.grammar import (
    check_depth,
    make_binary_op,
    make_call,
    make_compare,
    make_const,
    make_logic,
    make_name,
    make_part,
)
from runbook.expression.lexeme import Text, literals, name_as_written, rewrite
from runbook.expression.node import Binary, Choice, Const, Node, Sequence, Unary

_BINARY: dict[type[ast.operator], str] = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
    ast.FloorDiv: "//",
    ast.Mod: "%",
}
_COMPARE: dict[type[ast.cmpop], str] = {
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.In: "in",
    ast.NotIn: "not in",
}
_HABITS = {"&&": "and", "||": "or", "===": "==", "{{": "the expression without braces", "!": "not"}
"""What people write who come from elsewhere, and what it is called here."""


def parse(source: str) -> Node:
    """Return the nodes of an expression; raises Fault with the offset in the source."""
    plain = rewrite(source, lambda raw: raw[0] + "_" * (len(raw) - 2) + raw[-1])
    lead = len(plain) - len(plain.lstrip())
    if lead == len(plain):
        raise Fault("the expression is empty", at=0)
    try:
        tree = ast.parse(plain[lead:], mode="eval")
    except SyntaxError as error:
        raise Fault(_first_words(error.msg), at=lead + max((error.offset or 1) - 1, 0), remedy=_habit(plain)) from None
    except (RecursionError, MemoryError):
        raise Fault("nested too deeply", at=0, remedy="say it in smaller parts") from None
    except ValueError as error:
        raise Fault(_first_words(str(error)), at=0) from None
    return _Reader(plain, lead, {text.at: text for text in literals(source)}).node(tree.body, 1)


def _first_words(message: str) -> str:
    return message.split("\n", maxsplit=1)[0][:200] or "this is no expression"


def _habit(source: str) -> str:
    if re.search(r"(?<![=!<>])=(?!=)", source):
        return "write == to compare"
    return next((f"write {here}" for there, here in _HABITS.items() if there in source.replace("!=", "")), "")


class _Reader:
    """Turns the tree of one source into nodes."""

    def __init__(self, plain: str, lead: int, texts: dict[int, Text]) -> None:
        self._bytes = plain[lead:].encode()
        self._lead = lead
        self._texts = texts

    def node(self, tree: ast.expr, depth: int) -> Node:
        at = self._offset(tree.col_offset)
        check_depth(depth, at)
        deeper = depth + 1
        match tree:
            case ast.Constant():
                return self._constant(tree, at)
            case ast.Name():
                return make_name(at, name_as_written(tree.id))
            case ast.Attribute():
                return make_part(at, self.node(tree.value, deeper), name_as_written(tree.attr))
            case ast.Subscript():
                return make_part(at, self.node(tree.value, deeper), self._key(tree.slice))
            case ast.BoolOp():
                op = "and" if isinstance(tree.op, ast.And) else "or"
                return make_logic(at, op, tuple(self.node(part, deeper) for part in tree.values))
            case ast.Compare():
                return self._compare(tree, at, deeper)
            case ast.IfExp():
                test, then, other = (self.node(part, deeper) for part in (tree.test, tree.body, tree.orelse))
                return Choice(at, test, then, other)
            case ast.List() | ast.Tuple():
                return Sequence(at, tuple(self.node(item, deeper) for item in tree.elts))
            case _:
                return self._operation(tree, at, deeper)

    def _operation(self, tree: ast.expr, at: int, depth: int) -> Node:
        match tree:
            case ast.UnaryOp(op=ast.Not()):
                return Unary(at, "not", self.node(tree.operand, depth))
            case ast.UnaryOp(op=ast.USub()):
                return Unary(at, "-", self.node(tree.operand, depth))
            case ast.UnaryOp(op=ast.UAdd()):
                return Unary(at, "+", self.node(tree.operand, depth))
            case ast.BinOp() if type(tree.op) in _BINARY:
                op = make_binary_op(_BINARY[type(tree.op)])
                return Binary(at, op, self.node(tree.left, depth), self.node(tree.right, depth))
            case ast.Call(func=ast.Name()) if not tree.keywords:
                assert isinstance(tree.func, ast.Name)
                return make_call(at, tree.func.id, tuple(self.node(arg, depth) for arg in tree.args))
            case ast.Call(func=ast.Attribute()):
                raise Fault("values have no methods", at=at, remedy="write lower(x), not x.lower()")
            case ast.BinOp(op=ast.BitOr()):
                raise Fault("expressions have no filters", at=at, remedy="write default(x, y), not x | default(y)")
            case ast.BinOp():
                raise Fault(f"{type(tree.op).__name__} is not part of the language", at=at)
            case _:
                raise Fault(f"{type(tree).__name__} is not part of the language", at=at)

    def _compare(self, tree: ast.Compare, at: int, depth: int) -> Node:
        rest = []
        for op, right in zip(tree.ops, tree.comparators, strict=True):
            if type(op) not in _COMPARE:
                raise Fault("is is not part of the language", at=at, remedy="write == or !=")
            rest.append((_COMPARE[type(op)], self.node(right, depth)))
        return make_compare(at, self.node(tree.left, depth), tuple(rest))

    def _constant(self, tree: ast.Constant, at: int) -> Const:
        if not isinstance(tree.value, str | bytes):
            return make_const(at, tree.value)
        text = self._texts.get(at)
        end = self._offset(tree.end_col_offset or 0)
        if text is None or isinstance(tree.value, bytes) or end != at + len(text.raw):
            raise Fault("a text is written in one pair of quotes", at=at, remedy="join texts with +")
        return make_const(at, text.value)

    def _key(self, tree: ast.expr) -> object:
        match tree:
            case ast.Constant():
                return self._constant(tree, self._offset(tree.col_offset)).value
            case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() as value)):
                return -value
            case _:
                return None

    def _offset(self, column: int) -> int:
        """Return the offset in characters; Python counts bytes."""
        return self._lead + len(self._bytes[:column].decode(errors="ignore"))
