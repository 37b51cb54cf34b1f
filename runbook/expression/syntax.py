"""The syntax of patterns: a text becomes parts, nothing is matched here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeAlias

from msgspec import Struct

from runbook.expression.fault import Fault

MAX_PATTERN = 500
_MAX_DEPTH = 30
_MAX_COUNT = 1000

Sort: TypeAlias = Literal["start", "line start", "end", "line end", "very end", "border", "no border"]
Accept: TypeAlias = Callable[[str], bool]


class Single(Struct, frozen=True):
    """One character of some set."""

    accepts: Accept


class Assertion(Struct, frozen=True):
    """A condition on the place between two characters."""

    sort: Sort


class Series(Struct, frozen=True):
    """Parts one behind the other."""

    elements: tuple[Part, ...]


class Union(Struct, frozen=True):
    """One part or another."""

    branches: tuple[Part, ...]


class Loop(Struct, frozen=True):
    """A part several times; `most` None is without end."""

    body: Part
    least: int
    most: int | None


Part: TypeAlias = Single | Assertion | Series | Union | Loop

_SETS: dict[str, Accept] = {
    "d": str.isdecimal,
    "D": lambda char: not char.isdecimal(),
    "w": lambda char: char.isalnum() or char == "_",
    "W": lambda char: not (char.isalnum() or char == "_"),
    "s": str.isspace,
    "S": lambda char: not char.isspace(),
}
_CONTROLS = {"n": "\n", "t": "\t", "r": "\r", "f": "\f", "v": "\v"}
_BORDERS: dict[str, Sort] = {"b": "border", "B": "no border", "A": "start", "Z": "very end"}
_COUNTS: dict[str, tuple[int, int | None]] = {"*": (0, None), "+": (1, None), "?": (0, 1)}


def parse_pattern(source: str) -> Part:
    """Return the parts of a pattern; raises Fault."""
    if len(source) > MAX_PATTERN:
        raise Fault(f"a pattern may have {MAX_PATTERN} characters, this one has {len(source)}")
    return _Reader(source).whole()


class _Reader:
    """Reads a pattern from left to right."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._next = 0
        self._depth = 0
        self._flags = ""

    def whole(self) -> Part:
        if self._source.startswith("(?") and self._source[2:3] in set("ims"):
            flags, closed, _ = self._source[2:].partition(")")
            if not closed or set(flags) - set("ims"):
                raise Fault("a pattern takes the flags i, m and s", remedy="such as (?i) at its start")
            self._flags, self._next = flags, len(flags) + 3
        found = self._union()
        if self._next < len(self._source):
            raise Fault("the pattern closes a bracket that is not open")
        return found

    def _peek(self, width: int = 1) -> str:
        return self._source[self._next : self._next + width]

    def _take(self) -> str:
        char = self._peek()
        if not char:
            raise Fault("the pattern ends in the middle")
        self._next += 1
        return char

    def _skip(self, expected: str) -> bool:
        if self._peek(len(expected)) != expected:
            return False
        self._next += len(expected)
        return True

    def _union(self) -> Part:
        branches = [self._series()]
        while self._skip("|"):
            branches.append(self._series())
        return branches[0] if len(branches) == 1 else Union(tuple(branches))

    def _series(self) -> Part:
        elements: list[Part] = []
        while self._peek() and self._peek() not in {"|", ")"}:
            element = self._atom()
            count = self._count()
            if count is not None:
                if isinstance(element, Assertion):
                    raise Fault("there is nothing to repeat in the pattern")
                element = Loop(element, *count)
                self._skip("?")  # lazy or greedy: the answer is the same
                if self._count() is not None:
                    raise Fault("the pattern repeats a repetition", remedy="put it in brackets")
            elements.append(element)
        return Series(tuple(elements))

    def _count(self) -> tuple[int, int | None] | None:
        if self._peek() in _COUNTS:
            return _COUNTS[self._take()]
        if self._peek() != "{":
            return None
        inside, closed, _ = self._source[self._next + 1 :].partition("}")
        least, comma, most = inside.partition(",")
        numbers = [part for part in (least, most) if part]
        if not closed or not (numbers or comma) or not all(part.isascii() and part.isdecimal() for part in numbers):
            return None  # a plain brace, as in `re`
        self._next += len(inside) + 2
        low = int(least[:6] or "0")
        high = low if not comma else int(most[:6]) if most else None
        if low > _MAX_COUNT or (high is not None and not low <= high <= _MAX_COUNT):
            raise Fault(f"a pattern repeats from fewer to more, at most {_MAX_COUNT} times")
        return low, high

    def _atom(self) -> Part:
        char = self._take()
        match char:
            case "(":
                return self._group()
            case "[":
                return self._set()
            case ".":
                return Single((lambda _: True) if "s" in self._flags else (lambda found: found != "\n"))
            case "^":
                return Assertion("line start" if "m" in self._flags else "start")
            case "$":
                return Assertion("line end" if "m" in self._flags else "end")
            case "*" | "+" | "?":
                raise Fault("there is nothing to repeat in the pattern")
            case "{":
                self._next -= 1
                if self._count() is not None:
                    raise Fault("there is nothing to repeat in the pattern")
                return Single(_one(self._take()))
            case "\\":
                if self._peek() in _BORDERS:
                    return Assertion(_BORDERS[self._take()])
                return Single(self._escape())
            case _:
                return Single(self._folded(_one(char)))

    def _group(self) -> Part:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise Fault(f"the pattern nests more than {_MAX_DEPTH} deep")
        if self._skip("?P<"):
            while self._take() != ">":
                pass
        elif self._peek() == "?" and not self._skip("?:"):
            raise Fault("patterns have no lookaround, references or inner flags")
        found = self._union()
        if not self._skip(")"):
            raise Fault("the pattern opens a bracket that is not closed")
        self._depth -= 1
        return found

    def _escape(self) -> Accept:
        """Read what follows a backslash: a kind of characters, or one."""
        return _SETS[self._take()] if self._peek() in _SETS else self._folded(_one(self._escaped()))

    def _escaped(self) -> str:
        """Read what follows a backslash and stands for one character."""
        char = self._take()
        if char in _CONTROLS:
            return _CONTROLS[char]
        if char.isalnum():
            raise Fault(f"a pattern has no \\{char} here")
        return char

    def _set(self) -> Part:
        negated = self._skip("^")
        accepts: list[Accept] = []
        while not accepts or self._peek() != "]":
            accepts.append(self._element())
        self._take()
        inside = self._folded(lambda char: any(accept(char) for accept in accepts))
        return Single((lambda char: not inside(char)) if negated else inside)

    def _element(self) -> Accept:
        """Read one character, range or escape of a set."""
        char = self._take()
        if char == "\\":
            if self._peek() in _SETS:
                return self._escape()
            char = self._escaped()
        if self._peek() != "-" or self._peek(2) in {"-", "-]"}:
            return _one(char)
        self._take()
        high = self._take()
        if high == "\\":
            high = self._escaped()
        if high < char:
            raise Fault("a range in the pattern goes backwards")
        return lambda found: char <= found <= high

    def _folded(self, accept: Accept) -> Accept:
        if "i" not in self._flags:
            return accept
        # Some letters have another case of two letters, which no single place can hold.
        return lambda char: any(accept(form) for form in (char, char.lower(), char.upper()) if len(form) == 1)


def _one(wanted: str) -> Accept:
    return lambda char: char == wanted
