"""What is wrong with a plain value: found field by field, told in the words of whoever wrote it.

Owns the shape of such a finding and its phrases. Places in a file belong to `loader`.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import TypeAlias

from msgspec import Struct

MAX_WORD = 64
MAX_KNOWN = 1000
"""Looking for what was meant is slow, and a hostile file has many words."""

ValuePath: TypeAlias = tuple[str | int, ...]
"""Keys and positions that lead from the whole value to a part of it."""


class Fault(Struct, frozen=True):
    """One thing that is not as the type wants it."""

    path: ValuePath
    at_key: bool
    """It is the key that is wrong, not the value behind it."""
    got: str
    """What stands there, as a clause: `timeout is 30`."""
    expected: str = ""
    """What was expected, as a noun: `a duration such as 30s`."""
    hint: str = ""
    """What to write instead."""

    def text(self) -> str:
        """Return the whole finding in one line, with the path in front."""
        where = path_text(self.path)
        line = f"{where}: {self.got}" if where else self.got
        if self.expected:
            line = f"{line}; expected {self.expected}"
        return f"{line}; {self.hint}" if self.hint else line


def path_text(path: ValuePath) -> str:
    """Return a path as people write it: `steps[2].with.path`, positions counted from 0."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{part}" if text else part
    return text


def shown(value: object, limit: int = 48) -> str:
    """Return a plain value as a short, printable phrase."""
    match value:
        case None:
            return "empty"
        case bool():
            return "true" if value else "false"
        case str():
            cut = value if len(value) <= limit else value[: limit - 1] + "…"
            import json

            return json.dumps(cut, ensure_ascii=not cut.isprintable())
        case int() | float():
            return f"{value:.{limit}}" if isinstance(value, float) else str(value)[:limit]
        case dict():
            return "a mapping"
        case list() | tuple():
            return "a list"
        case _:
            return f"a {type(value).__name__}"


def name_of(path: ValuePath) -> str:
    """Return the name by which a finding calls the value at this path."""
    if not path:
        return "this"
    last = path[-1]
    return f"entry {last + 1}" if isinstance(last, int) else last


def nearest(word: str, known: Iterable[str]) -> str:
    """Return the known word that was probably meant, empty if none is near or the word is far too long."""
    if len(word) > MAX_WORD:
        return ""
    from difflib import get_close_matches  # 3 ms that only a misspelling has to pay

    by_lower = {each.lower(): each for each in islice(known, MAX_KNOWN) if len(each) <= MAX_WORD}
    close = get_close_matches(word.lower(), by_lower, n=1, cutoff=0.6)
    return by_lower[close[0]] if close else ""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return `did you mean X?`, empty if nothing is near."""
    near = nearest(word, known)
    return f"did you mean {near}?" if near else ""


def one_of(words: Iterable[str], limit: int = 12) -> str:
    """Return `one of a, b, c`, cut after some."""
    listed = list(words)
    if len(listed) == 1:
        return listed[0]
    more = ", …" if len(listed) > limit else ""
    return f"one of {', '.join(listed[:limit])}{more}"
