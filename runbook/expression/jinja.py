"""What stands between `{{` and `}}` to nodes: Jinja2's grammar, of which an allow-list is kept.

Jinja2 parses and nothing more. Its compiler would turn a template into Python code that runs with the operators
and filters of Python, and a sandbox has to catch each of them (multiplied texts, wide formats, concatenation);
nodes of our own leave nothing to catch.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from runbook.expression.fault import Fault
from runbook.expression.function import FILTERS
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
from runbook.expression.name import did_you_mean, spell
from runbook.expression.node import Binary, Choice, Const, Node, Ref, Sequence, Unary

if TYPE_CHECKING:
    from jinja2 import nodes
    from jinja2.sandbox import ImmutableSandboxedEnvironment

_BINARY = {"Add": "+", "Sub": "-", "Mul": "*", "Div": "/", "FloorDiv": "//", "Mod": "%"}
_COMPARE = {
    "eq": "==",
    "ne": "!=",
    "lt": "<",
    "lteq": "<=",
    "gt": ">",
    "gteq": ">=",
    "in": "in",
    "notin": "not in",
}
_REFUSED = {
    "Concat": "join texts by writing them side by side",
    "Pow": "there are no powers",
    "Dict": "there are no mappings that are written out",
    "Slice": "take one element, such as [0]",
    "Test": "compare with null, or write default(…)",
}


def parse(source: str) -> Node:
    """Return the nodes of one template expression; raises Fault with an offset, as exact as Jinja2 knows it."""
    from jinja2 import TemplateSyntaxError
    from jinja2.parser import Parser

    texts = tuple(literals(source))
    numbers = iter(range(len(texts)))
    plain = rewrite(source, lambda _: f'"{next(numbers)};"')
    if not plain.strip():
        raise Fault("there is nothing between the braces", at=0)
    try:
        parser = Parser(_environment(), plain, state="variable")
        tree = parser.parse_expression()
        if not parser.stream.eos:
            raise Fault("something follows the end of the expression", at=0)
    except TemplateSyntaxError as error:
        raise Fault((error.message or "this is no expression")[:200], at=0) from None
    except (RecursionError, MemoryError):
        raise Fault("nested too deeply", at=0, remedy="say it in smaller parts") from None
    except (ValueError, OverflowError):
        raise Fault("the number is too large", at=0) from None
    return _Reader(source, texts).node(tree, 1)


@cache
def _environment() -> ImmutableSandboxedEnvironment:
    from jinja2 import StrictUndefined
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    return ImmutableSandboxedEnvironment(undefined=StrictUndefined, autoescape=False, cache_size=0)


class _Reader:
    """Turns the tree of one source into nodes."""

    def __init__(self, source: str, texts: tuple[Text, ...]) -> None:
        self._source = source
        self._texts = texts

    def node(self, tree: nodes.Node, depth: int) -> Node:
        from jinja2 import nodes

        check_depth(depth, 0)
        deeper = depth + 1
        match tree:
            case nodes.Const():
                return self._constant(tree)
            case nodes.Name():
                return self._located(make_name(self._find(name_as_written(tree.name)), name_as_written(tree.name)))
            case nodes.Getattr():
                return self._located(make_part(0, self.node(tree.node, deeper), name_as_written(tree.attr)))
            case nodes.Getitem():
                return self._located(make_part(0, self.node(tree.node, deeper), self._key(tree.arg)))
            case nodes.And() | nodes.Or():
                op = "and" if isinstance(tree, nodes.And) else "or"
                return make_logic(0, op, (self.node(tree.left, deeper), self.node(tree.right, deeper)))
            case nodes.Compare():
                rest = tuple((_COMPARE[operand.op], self.node(operand.expr, deeper)) for operand in tree.ops)
                return make_compare(0, self.node(tree.expr, deeper), rest)
            case nodes.CondExpr():
                if tree.expr2 is None:
                    raise Fault("if has no else", at=0, remedy="say what stands there otherwise")
                test, then, other = (self.node(part, deeper) for part in (tree.test, tree.expr1, tree.expr2))
                return Choice(0, test, then, other)
            case nodes.List() | nodes.Tuple():
                return Sequence(0, tuple(self.node(item, deeper) for item in tree.items))
            case _:
                return self._operation(tree, deeper)

    def _operation(self, tree: nodes.Node, depth: int) -> Node:
        from jinja2 import nodes

        name = type(tree).__name__
        match tree:
            case nodes.Not():
                return Unary(0, "not", self.node(tree.node, depth))
            case nodes.Neg():
                return Unary(0, "-", self.node(tree.node, depth))
            case nodes.Pos():
                return Unary(0, "+", self.node(tree.node, depth))
            case nodes.BinExpr() if name in _BINARY:
                left, right = self.node(tree.left, depth), self.node(tree.right, depth)
                return Binary(0, make_binary_op(_BINARY[name]), left, right)
            case nodes.Filter():
                return self._filter(tree, depth)
            case nodes.Call() if isinstance(tree.node, nodes.Name):
                args = self._arguments(tree.node.name, tree, depth)
                return make_call(self._find(tree.node.name), tree.node.name, args)
            case nodes.Call():
                raise Fault("values have no methods", at=0, remedy="write x | lower, not x.lower()")
            case _:
                raise Fault(f"{name} is not part of the language", at=0, remedy=_REFUSED.get(name, ""))

    def _filter(self, tree: nodes.Filter, depth: int) -> Node:
        at = self._find(tree.name)
        if tree.name not in FILTERS or tree.node is None:
            hint = did_you_mean(tree.name, sorted(FILTERS)) or f"there are {', '.join(sorted(FILTERS))}"
            raise Fault(f"there is no filter {tree.name[:64]}", at=at, remedy=hint)
        return make_call(at, tree.name, (self.node(tree.node, depth), *self._arguments(tree.name, tree, depth)))

    def _arguments(self, name: str, tree: nodes.Filter | nodes.Call, depth: int) -> tuple[Node, ...]:
        if tree.kwargs or tree.dyn_args or tree.dyn_kwargs:
            raise Fault(f"{name[:64]} takes no named arguments", at=self._find(name), remedy="write them in order")
        return tuple(self.node(arg, depth) for arg in tree.args)

    def _constant(self, tree: nodes.Const) -> Const:
        if not isinstance(tree.value, str):
            return make_const(0, tree.value)
        # Neighbouring literals arrive as one, hence the semicolon behind each number.
        parts = [self._texts[int(number)] for number in tree.value.split(";")[:-1]]
        return make_const(parts[0].at, "".join(part.value for part in parts))

    def _key(self, tree: nodes.Node) -> object:
        from jinja2 import nodes

        match tree:
            case nodes.Const():
                return self._constant(tree).value
            case nodes.Neg(node=nodes.Const(value=int() as value)):
                return -value
            case _:
                return None

    def _find(self, name: str) -> int:
        found = re.search(rf"(?<![\w.]){re.escape(name)}(?!\w)", self._source)
        return found.start() if found else 0

    def _located(self, node: Node) -> Node:
        """Return a name with the offset of its first occurrence: Jinja2 counts lines only."""
        return Ref(self._find(spell(node.path)), node.path) if isinstance(node, Ref) else node
