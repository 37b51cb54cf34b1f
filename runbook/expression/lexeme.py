r"""What both parsers must agree on before they parse: literals of text, and names of steps with a hyphen.

Literals are taken out first, so that an escape such as `\d` means the same to both parsers, and neither warns.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from msgspec import Struct

from runbook.expression.fault import Fault

MAX_SOURCE = 2000
"""Longest expression, in characters."""

HYPHEN = "ꟷ"
"""A letter that stands for the hyphen in `steps.drop-cache` while a parser looks at it."""

_LEXEME = re.compile(
    r"""(?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
    |(?P<step>(?<![\w.])steps\.[A-Za-z_]\w*(?:-\w+)+)
    |(?P<stray>["'#])""",
    re.DOTALL | re.VERBOSE,
)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", '"': '"', "'": "'"}


class Text(Struct, frozen=True):
    """A literal of text, as written and as meant."""

    at: int
    raw: str
    value: str


def literals(source: str) -> Iterator[Text]:
    """Yield the literals of text in a source."""
    for match in _LEXEME.finditer(source):
        if match.lastgroup == "text":
            yield Text(match.start(), match[0], _unescape(match[0][1:-1]))


def rewrite(source: str, literal: Callable[[str], str]) -> str:
    """Return the source on one line, ready for a parser, with `literal` applied to each literal as written.

    Raises Fault for a text that does not end, a comment, and a source that is too long.
    """
    if len(source) > MAX_SOURCE:
        raise Fault(f"an expression may have {MAX_SOURCE} characters, this one has {len(source)}", at=0)

    def replace(match: re.Match[str]) -> str:
        if match.lastgroup == "text":
            return literal(match[0])
        if match.lastgroup == "step":
            return match[0].replace("-", HYPHEN)
        if match[0] == "#":
            raise Fault("an expression has no comments", at=match.start(), remedy="leave out # and what follows")
        raise Fault("a text is opened and never closed", at=match.start(), remedy=f"close it with {match[0]}")

    return re.sub(r"[\n\r\t\f\v]", " ", _LEXEME.sub(replace, source))


def name_as_written(identifier: str) -> str:
    """Return the name that an identifier seen by a parser stands for."""
    return identifier.replace(HYPHEN, "-")


def _unescape(body: str) -> str:
    """Resolve the common escapes; any other backslash stays, so that patterns can be written plainly."""
    return _ESCAPE.sub(lambda match: _ESCAPED.get(match[1], match[0]), body)
