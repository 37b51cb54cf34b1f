"""Many host names in few words: `web[001-098], web100, db[1-3]`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from fnmatch import fnmatchcase

_NUMBERED = re.compile(r"(.*?)([0-9]+)([^0-9]*)", re.DOTALL)
_SPAN = re.compile(r"(.*)\[([0-9]+)-([0-9]+)\](.*)", re.DOTALL)
_DIGITS = 9
"""A longer number counts nothing."""


def collapsed(names: Iterable[str]) -> str:
    """Return names in their order, each run of numbers in a row as one; what stands alone stays as it is."""
    found = list(dict.fromkeys(names))
    parts: list[str] = []
    at = 0
    while at < len(found):
        end = _end(found, at)
        parts.append(found[at] if end == at else _range(found[at], found[end]))
        at = end + 1
    return ", ".join(parts)


def sorted_names(names: Iterable[str]) -> list[str]:
    """Return names sorted as people count: web2 before web10."""
    return sorted(names, key=_key)


def told(names: Iterable[str], most: int = 60) -> str:
    """Return the names sorted and collapsed; where that is longer than `most`, how many they are and the first."""
    ordered = sorted_names(dict.fromkeys(names))
    text = collapsed(ordered)
    if len(text) <= most or len(ordered) < 3:
        return text
    return f"{len(ordered)} hosts ({', '.join(ordered[:2])}, …)"


def meant(text: str, names: Iterable[str]) -> list[str]:
    """Return those of the names that a list means: names, runs of numbers as `collapsed` writes them, and `web*`."""
    parts = [part.strip() for part in text.split(",")]
    return [name for name in names if any(_means(part, name) for part in parts)]


def _means(part: str, name: str) -> bool:
    if part == name:
        return True
    span = _SPAN.fullmatch(part)
    if span is None:
        return "[" not in part and fnmatchcase(name, part)
    before, low, high, after = span.groups()
    number = name[len(before) : len(name) - len(after)] if name.startswith(before) and name.endswith(after) else ""
    padded = low.startswith("0") and len(low) == len(high)
    if not (number.isascii() and number.isdigit()) or len(number) > _DIGITS or (padded and len(number) != len(low)):
        return False
    return int(low) <= int(number) <= int(high)


def _key(name: str) -> tuple[tuple[int, int, str], ...]:
    parts = re.split(r"([0-9]+)", name)
    return tuple((1, int(part[:_DIGITS]), part) if number % 2 else (0, 0, part) for number, part in enumerate(parts))


def _end(names: list[str], at: int) -> int:
    """Return the position of the last name that counts on from the one at `at`."""
    end = at
    while end + 1 < len(names) and _follows(names[end], names[end + 1]):
        end += 1
    return end


def _follows(one: str, other: str) -> bool:
    first, second = _last_number(one), _last_number(other)
    if first is None or second is None or (first[0], first[2]) != (second[0], second[2]):
        return False
    low, high = first[1], second[1]
    padded = low.startswith("0") or high.startswith("0")
    return max(len(low), len(high)) <= _DIGITS and int(high) == int(low) + 1 and (not padded or len(low) == len(high))


def _last_number(name: str) -> tuple[str, str, str] | None:
    """Return what stands before the number that counts, the number, and what follows; it is in the first label."""
    label, dot, rest = name.partition(".")
    matched = _NUMBERED.fullmatch(label)
    if matched is None:
        return None
    return matched[1], matched[2], matched[3] + dot + rest


def _range(first: str, last: str) -> str:
    one, other = _last_number(first), _last_number(last)
    assert one is not None
    assert other is not None
    return f"{one[0]}[{one[1]}-{other[1]}]{one[2]}"
