"""The one form that expressions and templates are reduced to before they are evaluated.

What is not here does not exist in the language: no attributes of objects, no calls but by name, no assignment.
Both parsers build these nodes, so that a template and an expression of the same text mean the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, TypeAlias

from msgspec import Struct

Path: TypeAlias = tuple[str, ...]
"""A dotted name, part by part."""

UnaryOp: TypeAlias = Literal["-", "+", "not"]
BinaryOp: TypeAlias = Literal["+", "-", "*", "/", "//", "%"]
CompareOp: TypeAlias = Literal["==", "!=", "<", "<=", ">", ">=", "in", "not in"]


class Const(Struct, frozen=True):
    """A literal."""

    at: int
    value: bool | int | float | str | None


class Ref(Struct, frozen=True):
    """A dotted name."""

    at: int
    path: Path


class Item(Struct, frozen=True):
    """A part of what is no name itself, or an element by its number."""

    at: int
    base: Node
    key: str | int


class Unary(Struct, frozen=True):
    """A sign or a negation."""

    at: int
    op: UnaryOp
    operand: Node


class Binary(Struct, frozen=True):
    """Arithmetic."""

    at: int
    op: BinaryOp
    left: Node
    right: Node


class Compare(Struct, frozen=True):
    """A chain of comparisons."""

    at: int
    first: Node
    rest: tuple[tuple[CompareOp, Node], ...]


class Logic(Struct, frozen=True):
    """A chain of `and` or of `or`."""

    at: int
    op: Literal["and", "or"]
    parts: tuple[Node, ...]


class Choice(Struct, frozen=True):
    """`then if test else other`."""

    at: int
    test: Node
    then: Node
    other: Node


class Sequence(Struct, frozen=True):
    """A list or tuple that is written out."""

    at: int
    items: tuple[Node, ...]


class Call(Struct, frozen=True):
    """A function of the language, or a filter, which is the same written behind its first argument."""

    at: int
    name: str
    args: tuple[Node, ...]


Node: TypeAlias = Const | Ref | Item | Unary | Binary | Compare | Logic | Choice | Sequence | Call


def children(node: Node) -> tuple[Node, ...]:
    """Return the nodes directly below."""
    match node:
        case Const() | Ref():
            return ()
        case Item():
            return (node.base,)
        case Unary():
            return (node.operand,)
        case Binary():
            return (node.left, node.right)
        case Compare():
            return (node.first, *(right for _, right in node.rest))
        case Logic():
            return node.parts
        case Choice():
            return (node.test, node.then, node.other)
        case Sequence():
            return node.items
        case Call():
            return node.args


def references(node: Node) -> Iterator[Ref]:
    """Yield every dotted name, in no promised order."""
    stack = [node]
    while stack:
        found = stack.pop()
        if isinstance(found, Ref):
            yield found
        stack.extend(children(found))


def paths(node: Node) -> frozenset[Path]:
    """Return the dotted names that a node refers to."""
    return frozenset(ref.path for ref in references(node))
