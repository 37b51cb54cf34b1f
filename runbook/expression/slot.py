"""Where the expressions of a template begin and end.

Owns the braces, comments and the stripping of white space beside them; statements are refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TypeAlias

from msgspec import Struct

from runbook.expression.fault import Fault
from runbook.expression.grammar import CONSTANTS, make_name, make_part
from runbook.expression.node import Node

_OPENING = re.compile(r"\{[{%#]")
_BODY = re.compile(r"""(?:[^"'}]|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|\}(?!\}))*""", re.DOTALL)
_DOTTED = re.compile(r"(\s*)((?:steps(?:\.[A-Za-z_]\w*(?:-\w+)*)?|[A-Za-z_]\w*)(?:\.[A-Za-z_]\w*)*)\s*", re.ASCII)
_WORDS = {*CONSTANTS, "and", "or", "not", "in", "is", "if", "else"}


class Slot(Struct, frozen=True):
    """A place to be filled in."""

    at: int
    """Offset of the expression in the template."""
    root: Node


Part: TypeAlias = str | Slot


def split(source: str) -> Iterator[Part]:
    """Yield texts and slots in order; `{{-` and `-}}` strip the white space beside them, as in Jinja2."""
    position, strip = 0, False
    while opening := _OPENING.search(source, position):
        begin = opening.start()
        text = source[position:begin]
        if opening[0] == "{%":
            raise Fault("templates have no statements", at=begin, remedy="use {{ … }}, and `when` for conditions")
        slot, end, marks = _comment(source, begin) if opening[0] == "{#" else _slot(source, begin)
        text = text.lstrip() if strip else text
        yield text.rstrip() if marks[0] else text
        if slot is not None:
            yield slot
        position, strip = end, marks[1]
    rest = source[position:]
    yield rest.lstrip() if strip else rest


def _comment(source: str, begin: int) -> tuple[None, int, tuple[bool, bool]]:
    end = source.find("#}", begin + 2)
    if end < 0:
        raise Fault("a comment is opened and never closed", at=begin, remedy="close it with #}")
    return None, end + 2, (source[begin + 2] == "-", source[end - 1] == "-")


def _slot(source: str, begin: int) -> tuple[Slot, int, tuple[bool, bool]]:
    body = _BODY.match(source, begin + 2)
    assert body is not None
    if not source.startswith("}}", body.end()):
        raise Fault("{{ is opened and never closed", at=begin, remedy="close it with }}")
    inside, start = body[0], begin + 2
    before, after = inside.startswith("-"), len(inside) > 1 and inside.endswith("-")
    if inside[:1] in {"-", "+"}:
        inside, start = inside[1:], start + 1
    try:
        slot = Slot(start, _parse(inside[:-1] if after else inside))
    except Fault as fault:
        fault.at = start + max(fault.at, 0)
        raise
    return slot, body.end() + 2, (before, after)


def _parse(inside: str) -> Node:
    """Return the nodes of what stands between the braces.

    A plain dotted name is by far the most common and needs no parser: importing Jinja2 costs 57 ms.
    """
    dotted = _DOTTED.fullmatch(inside)
    if dotted is None or not _WORDS.isdisjoint(dotted[2].split(".")):
        from runbook.expression.jinja import parse

        return parse(inside)
    first, *rest = dotted[2].split(".")
    node = make_name(len(dotted[1]), first)
    for part in rest:
        node = make_part(node.at, node, part)
    return node
