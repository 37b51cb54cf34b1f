"""How plain lines look: the colour of each tone, and what a terminal can show.

Owns the escape sequences of colours, which are the only ones the command line writes.
"""

from __future__ import annotations

import os
from typing import Literal, TextIO, TypeAlias

from msgspec import Struct

from runbook.text import one_line
from runbook.text.mark import Tone as MarkTone
from runbook.text.mark import mark_of, status_word

Tone: TypeAlias = MarkTone | Literal["plain", "muted"]

_SGR: dict[Tone, str] = {
    "plain": "",
    "pending": "",
    "skipped": "",
    "good": "32",
    "bad": "91",
    "doubt": "95",
    "wait": "33",
    "live": "36",
    "back": "94",
    "muted": "2",
}


_ASCII = str.maketrans(
    {"─": "-", "━": "=", "│": "|", "·": "-", "…": "...", "×": "x", "›": ">", "↵": "Enter", "–": "-", "→": "->"}
)


class Style(Struct, frozen=True):
    """What one output stream can show."""

    colour: bool = False
    unicode: bool = True
    live: bool = False
    """A line may be written over: a terminal that understands control sequences."""
    width: int = 80
    wraps: bool = False
    """Long lines are broken between words: a terminal would break them anywhere."""

    def paint(self, text: str, tone: Tone) -> str:
        """Return the text in a colour, if there are colours; the text itself must be clean already."""
        code = _SGR[tone]
        return f"\x1b[{code}m{text}\x1b[0m" if self.colour and code else text

    def bold(self, text: str) -> str:
        """Return the text in bold, where the terminal can show it; the text itself must be clean already."""
        return f"\x1b[1m{text}\x1b[22m" if self.colour else text

    def mark(self, status: str) -> str:
        """Return the painted symbol of a status."""
        mark = mark_of(status)
        return self.paint(mark.symbol if self.unicode else mark.ascii, mark.tone)

    def status(self, status: str, width: int = 0) -> str:
        """Return symbol and word of a status; the word is padded to `width`."""
        mark = mark_of(status)
        text = f"{mark.symbol if self.unicode else mark.ascii} {status_word(status).ljust(width)}"
        return self.paint(text, mark.tone)

    def plain(self, text: str) -> str:
        """Return our own words with stand-ins for what the encoding cannot write."""
        return text if self.unicode else text.translate(_ASCII)


def place(target: str) -> str:
    """Return a place as a part of a sentence; what runs once for all hosts has none to tell."""
    if target == "*":
        return ""
    return f" in wave {target[1:]}" if target.startswith("*") else f" on {one_line(target, 100)}"


def style_of(stream: TextIO) -> Style:
    """Find out what a stream can show: NO_COLOR, TERM=dumb, pipes and narrow encodings make it plain."""
    terminal = _is_terminal(stream)
    smart = terminal and os.environ.get("TERM", "dumb") not in ("dumb", "")
    encoding = (getattr(stream, "encoding", "") or "").lower().replace("-", "").replace("_", "")
    return Style(
        colour=smart and not os.environ.get("NO_COLOR"),
        unicode=encoding == "utf8",
        live=smart,
        width=_width(stream) if terminal else 80,
        wraps=terminal,
    )


def _is_terminal(stream: TextIO) -> bool:
    try:
        return stream.isatty()
    except ValueError:
        # A closed stream is none.
        return False


def _width(stream: TextIO) -> int:
    try:
        # A terminal that was never told its size says 0.
        return max(40, os.get_terminal_size(stream.fileno()).columns or 80)
    except (OSError, ValueError):
        return 80


def broken(text: str, width: int, *, first: int = 0, rest: str = "") -> list[str]:
    """Return a text as lines that are broken between words; a longer word stays whole, to be copied.

    Args:
        text: one line of clean text without colours.
        width: columns of a whole line.
        first: columns that are taken already in the first line.
        rest: stands before every other line.
    """
    import textwrap

    lines = textwrap.wrap(
        text,
        width,
        initial_indent=" " * first,
        subsequent_indent=rest,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [lines[0][first:], *lines[1:]] if lines else [""]


def cells(text: str) -> int:
    """Return how many columns a clean text takes."""
    if text.isascii():
        return len(text)
    import unicodedata

    wide = sum(1 for c in text if unicodedata.east_asian_width(c) in "WF")
    return len(text) + wide - sum(1 for c in text if unicodedata.combining(c))


def table(rows: list[list[str]], *, gap: str = "  ") -> list[str]:
    """Return lines whose columns are aligned; the last column is left as it is. Cells are made one clean line."""
    clean = [[one_line(cell, 200) for cell in row] for row in rows]
    if not clean:
        return []
    widths = [max(cells(row[n]) for row in clean) for n in range(len(clean[0]) - 1)]
    return [
        gap.join([*(cell + " " * (w - cells(cell)) for cell, w in zip(row, widths, strict=False)), row[-1]]).rstrip()
        for row in clean
    ]
