"""The part of the Prometheus query language that guards, baselines and dashboards need: text to a tree.

Understands numbers, selectors with label matchers, `rate`, `increase` and `…_over_time` of a range, `sum`, `min`,
`max`, `avg` and `count` with `by`, arithmetic, and comparisons with or without `bool`. All else is refused by name, so
that no query means something else here than on a real server. Grammar: Prometheus documentation, "Querying basics".
"""

from __future__ import annotations

import re
from typing import Literal, TypeAlias

import msgspec

from runbook.demo.metric_history import Labels

Compare = Literal["=", "!=", "=~", "!~"]
FUNCTIONS = ("rate", "increase", "avg_over_time", "max_over_time", "min_over_time")
AGGREGATES = ("sum", "min", "max", "avg", "count")
LONGEST = 2000
"""Characters of a query."""
DEEPEST = 50


class BadQuery(ValueError):
    """The text is no query that is understood here."""


class Number(msgspec.Struct, frozen=True):
    """A number as it stands."""

    value: float


class Matcher(msgspec.Struct, frozen=True):
    """One condition on a label."""

    label: str
    how: Compare
    text: str

    def fits(self, labels: Labels) -> bool:
        """Tell whether it holds; a label that is missing is empty, patterns match the whole value."""
        found = labels.get(self.label, "")
        same = re.fullmatch(self.text, found) is not None if self.how.endswith("~") else found == self.text
        return same != self.how.startswith("!")


class Selector(msgspec.Struct, frozen=True):
    """Series by name and labels, at a moment, or over a range of seconds."""

    name: str
    matchers: tuple[Matcher, ...] = ()
    range: float = 0.0


class Call(msgspec.Struct, frozen=True):
    """A function over a range, such as `rate`."""

    function: str
    of: Selector


class Aggregate(msgspec.Struct, frozen=True):
    """Many series put together, by the labels that are kept."""

    function: str
    of: Node
    by: tuple[str, ...] = ()


class Binary(msgspec.Struct, frozen=True):
    """Two sides and what stands between them."""

    operator: str
    left: Node
    right: Node
    is_bool: bool = False


Node: TypeAlias = Number | Selector | Call | Aggregate | Binary

_LEVELS = (("==", "!=", ">=", "<=", ">", "<"), ("+", "-"), ("*", "/"))
_TOKEN = re.compile(
    r"""\s*(?: (?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
             | (?P<range>\[\s*[0-9a-z]+\s*\])
             | (?P<number>[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?|\.[0-9]+)
             | (?P<name>[A-Za-z_:][A-Za-z0-9_:]*)
             | (?P<sign>=~|!~|==|!=|>=|<=|[-+*/()<>={},]) )""",
    re.VERBOSE,
)
_DURATION = re.compile(r"([0-9]+)(ms|s|m|h|d)")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def parse_query(text: str) -> Node:
    """Return the tree of a query. Raises BadQuery, with what is not understood."""
    if len(text) > LONGEST:
        raise BadQuery(f"the query is longer than {LONGEST} characters")
    reader = _Reader(_tokens(text))
    node = reader.level(0)
    if reader.peek() != ("end", ""):
        raise BadQuery(f"unexpected {reader.peek()[1]!r}")
    return node


def duration(text: str) -> float:
    """Return a duration such as `1m30s` in seconds. Raises BadQuery."""
    parts = _DURATION.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise BadQuery(f"{text!r} is no duration")
    seconds = sum(int(number) * _UNITS[unit] for number, unit in parts)
    if seconds <= 0:
        raise BadQuery("a duration must be longer than nothing")
    return seconds


def _tokens(text: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    at = 0
    end = len(text.rstrip())
    while at < end:
        match = _TOKEN.match(text, at)
        if match is None:
            raise BadQuery(f"unexpected {text[at:].strip()[:1]!r} at character {at + 1}")
        found.append((str(match.lastgroup), str(match[str(match.lastgroup)])))
        at = match.end()
    return [*found, ("end", "")]


class _Reader:
    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self._tokens = tokens
        self._at = 0
        self._depth = 0

    def peek(self) -> tuple[str, str]:
        return self._tokens[self._at]

    def take(self, text: str = "") -> str:
        kind, found = self.peek()
        if (text and found != text) or kind == "end":
            raise BadQuery(f"expected {text or 'more'!r}, found {found or 'the end'!r}")
        self._at += 1
        return found

    def has(self, *texts: str) -> bool:
        return self.peek()[1] in texts and self.peek()[0] != "string"

    def level(self, level: int) -> Node:
        if level == len(_LEVELS):
            return self.unary()
        node = self.level(level + 1)
        while self.has(*_LEVELS[level]):
            operator = self.take()
            is_bool = level == 0 and self.has("bool")
            if is_bool:
                self.take()
            node = Binary(operator, node, self.level(level + 1), is_bool)
        return node

    def unary(self) -> Node:
        self._depth += 1
        if self._depth > DEEPEST:
            raise BadQuery("the query is nested too deeply")
        if self.has("-"):
            self.take()
            node: Node = Binary("*", Number(-1.0), self.unary())
        else:
            node = self.primary()
        self._depth -= 1
        return node

    def primary(self) -> Node:
        kind, text = self.peek()
        if kind == "number":
            return Number(float(self.take()))
        if self.has("("):
            self.take()
            node = self.level(0)
            self.take(")")
            return node
        if kind == "name":
            return self.named(self.take())
        if self.has("{"):
            return self.selector("")
        raise BadQuery(f"unexpected {text or 'the end'!r}")

    def named(self, name: str) -> Node:
        if name in AGGREGATES and self.has("(", "by"):
            by = self.labels() if self.has("by") else ()
            self.take("(")
            of = self.level(0)
            self.take(")")
            return Aggregate(name, of, by or (self.labels() if self.has("by") else ()))
        if not self.has("("):
            return self.selector(name)
        if name not in FUNCTIONS:
            raise BadQuery(f"the function {name} is not known here; known: {', '.join((*FUNCTIONS, *AGGREGATES))}")
        self.take("(")
        of = self.level(0)
        self.take(")")
        if not isinstance(of, Selector) or not of.range:
            raise BadQuery(f"{name} wants a range, such as {name}(x[30s])")
        return Call(name, of)

    def labels(self) -> tuple[str, ...]:
        self.take("by")
        self.take("(")
        found: list[str] = []
        while not self.has(")"):
            found.append(self.take())
            if not self.has(")"):
                self.take(",")
        self.take(")")
        return tuple(found)

    def selector(self, name: str) -> Selector:
        matchers: list[Matcher] = []
        if self.has("{"):
            self.take()
            while not self.has("}"):
                matchers.append(self.matcher())
                if not self.has("}"):
                    self.take(",")
            self.take("}")
        named = [m for m in matchers if m.label == "__name__" and m.how == "="]
        name = name or (named[0].text if named else "")
        if not name:
            raise BadQuery("a selector names its metric")
        span = duration(self.take()[1:-1].strip()) if self.peek()[0] == "range" else 0.0
        if self.has("offset", "@"):
            raise BadQuery(f"{self.peek()[1]} is not known here")
        return Selector(name, tuple(matchers), span)

    def matcher(self) -> Matcher:
        if self.peek()[0] != "name":
            raise BadQuery(f"expected the name of a label, found {self.peek()[1]!r}")
        label, how = self.take(), self.take()
        kind, text = self.peek()
        if how not in ("=", "!=", "=~", "!~") or kind != "string":
            raise BadQuery(f'{label}{how}{text} is no matcher, such as {label}="…"')
        value = re.sub(r"\\(.)", lambda found: "\n" if found[1] == "n" else found[1], self.take()[1:-1])
        if how.endswith("~"):
            try:
                re.compile(value)
            except re.error as error:
                raise BadQuery(f"{value!r} is no pattern: {error}") from error
        return Matcher(label, how, value)  # type: ignore[arg-type]
