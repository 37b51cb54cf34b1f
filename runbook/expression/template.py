"""Templates: text in which `{{ … }}` is filled in, once.

Owns how values become text. A value that is filled in is never looked at again, so that braces in it stay braces.
Where a template expression begins and ends is found by `slot`, its grammar is Jinja2's (`jinja`), its meaning that
of expressions (`walk`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING

from runbook.errors import ExpressionError
from runbook.expression.fault import Fault
from runbook.expression.node import Node, Path, paths
from runbook.expression.value import MAX_TEXT, TOO_LONG, in_words
from runbook.expression.walk import Walk, absence

if TYPE_CHECKING:
    from runbook.expression.slot import Part, Slot

MAX_TEMPLATE = 64 * 1024
"""Longest text with something to fill in, in characters."""
_MAX_DEPTH = 40


def is_template(source: str) -> bool:
    """Tell whether a text has anything to fill in, or a statement that will be refused."""
    return "{{" in source or "{%" in source


def render(source: str, names: Mapping[str, object]) -> object:
    """Fill in a template, once.

    Returns the value itself, a Secret included, if the template is exactly one `{{ … }}`, else text; a text with
    nothing to fill in is returned as it is.

    Raises:
        ExpressionError: the template is wrong, a name is unknown, a value is absent or a secret or has no plain
            form as text, or the result would be longer than 64 KiB.
    """
    if not is_template(source):
        return source
    parts = _parts(source)
    if len(parts) == 1 and not isinstance(parts[0], str):
        return _filled(source, parts[0], names, as_text=False)
    made: list[str] = []
    size = 0
    for part in parts:
        piece = part if isinstance(part, str) else str(_filled(source, part, names, as_text=True))
        size += len(piece)
        if size > MAX_TEXT:
            raise ExpressionError(TOO_LONG)
        made.append(piece)
    return "".join(made)


def names_of(source: str) -> frozenset[Path]:
    """Return the dotted names that a template refers to; raises ExpressionError with the place of a fault."""
    if not is_template(source):
        return frozenset()
    return frozenset(path for part in _parts(source) if not isinstance(part, str) for path in paths(part.root))


def render_tree(value: object, names: Mapping[str, object], *, within: str = "") -> object:
    """Fill in every text of nested mappings and lists; other values stay as they are, keys are no templates.

    Raises ExpressionError that says in which argument; `within` is what the whole is called in messages.
    """
    return _map_tree(value, lambda text: render(text, names), within, 0)


def names_of_tree(value: object, *, within: str = "") -> frozenset[Path]:
    """Return the dotted names that the texts of nested mappings and lists refer to; raises ExpressionError."""
    found: set[Path] = set()
    _map_tree(value, lambda text: found.update(names_of(text)), within, 0)
    return frozenset(found)


def _map_tree(value: object, change: Callable[[str], object], within: str, depth: int) -> object:
    if depth > _MAX_DEPTH:
        raise ExpressionError(f"nested more than {_MAX_DEPTH} deep", within=within)
    match value:
        case str():
            try:
                return change(value)
            except ExpressionError as error:
                raise ExpressionError(
                    error.message, within=within, line=error.line, column=error.column, remedy=error.remedy
                ) from None
        case Mapping():
            return {
                _key(key, within): _map_tree(held, change, _below(within, key), depth + 1)
                for key, held in value.items()
            }
        case list() | tuple():
            return [_map_tree(held, change, f"{within}[{index}]", depth + 1) for index, held in enumerate(value)]
        case _:
            return value


def _key(key: object, within: str) -> object:
    if isinstance(key, str) and is_template(key):
        raise ExpressionError("a key cannot be filled in", within=within, remedy="write it out")
    return key


def _below(within: str, key: object) -> str:
    return f"{within}.{key}" if within else str(key)


def _filled(source: str, slot: Slot, names: Mapping[str, object], *, as_text: bool) -> object:
    try:
        value = Walk(names).value(slot.root)
        return _as_text(value, slot.root) if as_text else value
    except Fault as fault:
        raise fault.placed(source, slot.at) from None
    except RecursionError:
        raise ExpressionError("a value is nested too deeply") from None


def _as_text(value: object, root: Node) -> str:
    try:
        return in_words(value)
    except Fault as fault:
        fault.at = root.at
        if value is None:
            fault.message = f"{absence(root)}, and null cannot be written into text"
        raise


@lru_cache(maxsize=1024)
def _parts(source: str) -> tuple[Part, ...]:
    """Return the texts and slots of a template; raises ExpressionError."""
    from runbook.expression.slot import split

    try:
        if len(source) > MAX_TEMPLATE:
            raise Fault(f"a template may have {MAX_TEMPLATE // 1024} Ki characters, this one has {len(source)}", at=0)
        return tuple(part for part in split(source) if part)
    except Fault as fault:
        raise fault.placed(source) from None
