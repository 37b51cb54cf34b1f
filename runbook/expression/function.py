"""The functions of the language; a filter is the same function, written behind its first argument.

All are pure and bounded. `any`, `all`, `one`, `default` and `has` decide themselves what an absent value means,
so the walk evaluates them; here stands only how they are written.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

from msgspec import Struct

from runbook.expression.fault import Fault, NoValue
from runbook.expression.value import (
    MAX_INPUT,
    MAX_TEXT,
    TOO_LONG,
    bounded,
    in_words,
    kind_of,
    number,
    refuse_secret,
    text,
)

ACROSS = frozenset({"any", "all", "one"})
"""Functions that look across hosts."""

_NUMBER = r"(?a:\s*[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?\s*)"
_INFINITE = r"(?ai:\s*[+-]?inf(?:inity)?\s*)"
_WHOLE = r"(?a:\s*[+-]?\d+\s*)"
_MAX_DIGITS = 100


class Function(Struct, frozen=True):
    """How a function is written, and what it does."""

    usage: str
    least: int
    most: int
    body: Callable[..., object] | None = None
    """None if the walk itself evaluates it."""


def length(value: object) -> int:
    """Count the characters, elements or keys."""
    refuse_secret(value)
    if value is None:
        raise NoValue("no value: null has no length")
    if not isinstance(value, str | list | tuple | Mapping):
        raise Fault(f"{kind_of(value)} has no length")
    return len(value)


def to_int(value: object) -> int:
    """Make a whole number of a number (cut off) or of a text."""
    found = to_float(value) if isinstance(value, str) and not _is_whole(value) else value
    if isinstance(found, str):
        return int(found)
    found = int(found) if isinstance(found, bool) else number(found)
    if found in {float("inf"), float("-inf")}:
        raise NoValue("no value: an infinite number has no whole part")
    return int(found)


def to_float(value: object) -> float:
    """Make a number of a number or of a text."""
    if isinstance(value, bool):
        return float(value)
    if not isinstance(value, str):
        return float(number(value))
    if len(value) <= _MAX_DIGITS and (re.fullmatch(_NUMBER, value) or re.fullmatch(_INFINITE, value)):
        return float(value)
    raise NoValue("no value: the text is not a number")


def rounded(value: object, digits: object = 0) -> int | float:
    """Round to a number of decimal places, to a whole number if none is given."""
    found, places = number(value), number(digits)
    if not isinstance(places, int) or abs(places) > 15:
        raise Fault("round takes a whole number of decimal places, at most 15")
    if found in {float("inf"), float("-inf")}:
        return found
    return round(found, places) if places else round(found)


def smallest(*values: object) -> int | float:
    """Return the smallest of some numbers, or of a list of numbers."""
    return min(_numbers(values))


def largest(*values: object) -> int | float:
    """Return the largest of some numbers, or of a list of numbers."""
    return max(_numbers(values))


def matches(value: object, pattern: object) -> bool:
    """Tell whether a pattern occurs in a text; see `pattern` for what patterns can say."""
    from runbook.expression.pattern import compile_pattern

    return compile_pattern(text(pattern)).occurs_in(text(value))


def join(values: object, separator: object = "") -> str:
    """Put the elements of a list into one text."""
    if not isinstance(values, list | tuple):
        refuse_secret(values)
        raise Fault(f"{kind_of(values)} where a list is needed")
    between = text(separator)
    parts: list[str] = []
    size = 0
    for value in values:
        parts.append(in_words(value))
        size += len(parts[-1]) + len(between)
        if size > MAX_TEXT + len(between):
            raise Fault(TOO_LONG)
    return bounded(between.join(parts))


def replace(value: object, old: object, new: object) -> str:
    """Put one text in the place of another wherever it occurs."""
    found, wanted, instead = text(value), text(old), text(new)
    if not wanted:
        raise Fault("replace needs a text to look for")
    grown = len(found) + found.count(wanted) * (len(instead) - len(wanted))
    if grown > MAX_TEXT:
        raise Fault(TOO_LONG)
    return found.replace(wanted, instead)


def first(value: object) -> object:
    """Return the first element or character."""
    return _element(value, 0)


def last(value: object) -> object:
    """Return the last element or character."""
    return _element(value, -1)


def basename(value: object) -> str:
    """Return the last part of a path, as basename(1) does."""
    path = text(value)
    return path.rstrip("/").rpartition("/")[2] or path[:1]


def dirname(value: object) -> str:
    """Return a path without its last part, as dirname(1) does."""
    path = text(value)
    head, slash, _ = path.rstrip("/").rpartition("/")
    return head.rstrip("/") or slash or ("/" if path.startswith("/") else ".")


def _is_whole(value: str) -> bool:
    return len(value) <= _MAX_DIGITS and bool(re.fullmatch(_WHOLE, value))


def _numbers(values: tuple[object, ...]) -> Iterable[int | float]:
    given = values[0] if len(values) == 1 and isinstance(values[0], list | tuple) else values
    if not given:
        raise NoValue("no value: the list is empty")
    return [number(value) for value in given]


def _element(value: object, index: int) -> object:
    refuse_secret(value)
    if value is None:
        raise NoValue("no value: null has no elements")
    if not isinstance(value, str | list | tuple):
        raise Fault(f"{kind_of(value)} where a list is needed")
    if not value:
        raise NoValue("no value: the list is empty")
    return value[index]


def _changed(change: Callable[[str], str]) -> Callable[[object], str]:
    def changed(value: object) -> str:
        found = text(value)
        if len(found) > MAX_INPUT:
            raise Fault(f"the text is longer than {MAX_INPUT // 1024} KiB")
        return change(found)

    return changed


FUNCTIONS: dict[str, Function] = {
    "any": Function("any(x)", 1, 1),
    "all": Function("all(x)", 1, 1),
    "one": Function("one(x)", 1, 1),
    "default": Function("default(x, instead)", 2, 2),
    "has": Function("has(x, key)", 2, 2),
    "len": Function("len(x)", 1, 1, length),
    "length": Function("length(x)", 1, 1, length),
    "abs": Function("abs(x)", 1, 1, lambda value: abs(number(value))),
    "min": Function("min(x, y) or min(list)", 1, 100, smallest),
    "max": Function("max(x, y) or max(list)", 1, 100, largest),
    "round": Function("round(x) or round(x, digits)", 1, 2, rounded),
    "int": Function("int(x)", 1, 1, to_int),
    "float": Function("float(x)", 1, 1, to_float),
    "str": Function("str(x)", 1, 1, in_words),
    "lower": Function("lower(text)", 1, 1, _changed(str.lower)),
    "upper": Function("upper(text)", 1, 1, _changed(str.upper)),
    "trim": Function("trim(text)", 1, 1, _changed(str.strip)),
    "startswith": Function("startswith(text, start)", 2, 2, lambda value, start: text(value).startswith(text(start))),
    "endswith": Function("endswith(text, end)", 2, 2, lambda value, end: text(value).endswith(text(end))),
    "matches": Function("matches(text, pattern)", 2, 2, matches),
    "join": Function("join(list, between)", 1, 2, join),
    "replace": Function("replace(text, old, new)", 3, 3, replace),
    "first": Function("first(list)", 1, 1, first),
    "last": Function("last(list)", 1, 1, last),
    "basename": Function("basename(path)", 1, 1, basename),
    "dirname": Function("dirname(path)", 1, 1, dirname),
}

FILTERS = frozenset(
    {"default", "join", "lower", "upper", "trim", "length", "int", "replace", "first", "last", "basename", "dirname"}
)
"""What may stand behind a `|` in a template."""
