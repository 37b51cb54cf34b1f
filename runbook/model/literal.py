"""Shapes of scalars: text, numbers, truth, durations, sizes, and words out of a closed set."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from typing import Any

import msgspec

from runbook.model.built import built
from runbook.model.fault import did_you_mean, one_of
from runbook.model.shape import BAD, NUMBER, Walk
from runbook.text.unit import seconds, size

# A playbook writes the same few durations over and over, and reading one exactly costs more than a whole step.
_seconds = lru_cache(1024)(seconds)

_TRUTH = {"true": True, "false": False}
_OLD_TRUTH = frozenset({"yes", "no", "on", "off", "y", "n"})


class Text:
    """Text; a number that was written where text is wanted is taken as it was written."""

    expected = "text"

    def read(self, value: object, walk: Walk) -> object:
        if type(value) is str:
            return value
        if isinstance(value, bool | int | float):
            path = tuple(walk.path)
            written = walk.text_of(path) if walk.text_of is not None else None
            if written is not None:
                walk.rewrites.append((path, written))
                return written
            if walk.lenient:
                return str(value).lower() if isinstance(value, bool) else str(value)
            return walk.wrong(value, self.expected, "write it in quotes")
        if value is None:
            return walk.wrong(value, self.expected, 'write "" if it is meant to be empty')
        return walk.wrong(value, self.expected)

    def zero(self) -> object:
        return ""


class Whole:
    """A whole number."""

    expected = "a whole number"

    def read(self, value: object, walk: Walk) -> object:
        if type(value) is int:
            return value
        if walk.pending(value):
            return BAD
        if walk.lenient and isinstance(value, str) and len(value) < 20 and NUMBER.fullmatch(value.strip()):
            return int(value)
        return walk.wrong(value, self.expected)

    def zero(self) -> object:
        return 0


class Fraction:
    """A number, whole or not; infinity and nothing-like are none."""

    expected = "a number"

    def read(self, value: object, walk: Walk) -> object:
        if type(value) is float or type(value) is int:
            return float(value)
        if walk.pending(value):
            return BAD
        if walk.lenient and isinstance(value, str):
            try:
                found = float(value)
            except ValueError:
                found = float("nan")
            if abs(found) < float("inf"):
                return found
        return walk.wrong(value, self.expected)

    def zero(self) -> object:
        return 0.0


class Truth:
    """True or false."""

    expected = "true or false"

    def read(self, value: object, walk: Walk) -> object:
        if type(value) is bool:
            return value
        if walk.pending(value):
            return BAD
        if isinstance(value, str):
            word = value.strip().lower()
            if walk.lenient and word in _TRUTH:
                return _TRUTH[word]
            if word in _OLD_TRUTH:
                return walk.wrong(value, self.expected, f"{word} is text in YAML 1.2")
        return walk.wrong(value, self.expected)

    def zero(self) -> object:
        return False


class Duration:
    """A duration, written as text and held in seconds."""

    expected = "a duration such as 30s or 2m"

    def read(self, value: object, walk: Walk) -> object:
        if walk.pending(value):
            return BAD
        return _measured(value, _seconds, self.expected, walk)

    def zero(self) -> object:
        return 0.0


class Window(Duration):
    """A duration, or the template that becomes one later: it is kept as text until then."""

    def read(self, value: object, walk: Walk) -> object:
        if isinstance(value, str) and "{{" in value:
            return value
        return super().read(value, walk)


class Moment(Duration):
    """A moment: so long ago, held in seconds, or a time with its zone, kept as text (RFC 3339)."""

    expected = "how long ago, such as -2h, or a time with its zone, such as 2026-11-20T14:00:00Z"

    def read(self, value: object, walk: Walk) -> object:
        if walk.pending(value):
            return BAD
        return value if is_time(value) else super().read(value, walk)


class LateMoment(Moment):
    """A moment, or the template that becomes one later: it is kept as text until then."""

    def read(self, value: object, walk: Walk) -> object:
        return value if isinstance(value, str) and "{{" in value else super().read(value, walk)


def is_time(value: object) -> bool:
    """Tell whether a value is a time with its zone."""
    if not isinstance(value, str) or "T" not in value:
        return False
    try:
        return datetime.fromisoformat(value).tzinfo is not None
    except ValueError:
        return False


class Size:
    """An amount of bytes, written as text or as a whole number."""

    expected = "a size such as 200MB or 4k"

    def read(self, value: object, walk: Walk) -> object:
        if walk.pending(value):
            return BAD
        if type(value) is int and value >= 0:
            return value
        return _measured(value, size, self.expected, walk)

    def zero(self) -> object:
        return 0


def _measured(value: object, parse: Callable[[str], float], expected: str, walk: Walk) -> object:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return walk.wrong(value, expected)
    try:
        return parse(str(value))
    except ValueError as error:
        return walk.wrong(value, expected, str(error).rstrip("."))


class OneOf:
    """A word out of a closed set."""

    __slots__ = ("expected", "words")

    def __init__(self, words: tuple[object, ...]) -> None:
        self.words = words
        self.expected = one_of(str(word) for word in words if word != "")

    def read(self, value: object, walk: Walk) -> object:
        for word in self.words:
            if word == value and type(word) is type(value):
                return word
        if walk.pending(value):
            return BAD
        known = [str(word) for word in self.words if word != ""] if walk.suggests() else []
        return walk.wrong(value, self.expected, did_you_mean(str(value)[:80], known))

    def zero(self) -> object:
        return self.words[0]


class Nothing:
    """Nothing at all."""

    expected = "nothing"

    def read(self, value: object, walk: Walk) -> object:
        return None if value is None else walk.wrong(value, self.expected)

    def zero(self) -> object:
        return None


class Foreign:
    """Any other type that msgspec knows, such as a date or an enumeration."""

    def __init__(self, type_: Any) -> None:
        self.type = type_
        self.expected = f"a {getattr(type_, '__name__', type_)}"

    def read(self, value: object, walk: Walk) -> object:
        if walk.pending(value):
            return BAD
        try:
            return msgspec.convert(value, built(self.type), strict=not walk.lenient)
        except msgspec.ValidationError as error:
            return walk.wrong(value, self.expected, str(error))

    def zero(self) -> object:
        return None
