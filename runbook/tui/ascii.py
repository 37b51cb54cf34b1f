"""The last look at each line on a terminal without Unicode: our own signs get their stand-ins, cell by cell.

Most of them are written by whoever knows that terminal, with `Look.own`; this catches what a widget of Textual draws,
or one of ours forgot. Letters stay: they are words of playbooks and hosts.
"""

from __future__ import annotations

from functools import lru_cache

from rich.cells import cell_len
from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter
from textual.scrollbar import ScrollBarRender

from runbook.tui.look import Look

_OURS = Look(unicode=False)
_BARS = str.maketrans("▁▂▃▄▅▆▇█▊▉▋▎▍▏▐▕▔┃║═╴╶↵", "__--==##||||||||-||=--/")


class Ascii(LineFilter):
    """Draws every sign with one that every terminal has; no line gets longer or shorter."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """Put the stand-ins in place."""
        if all(text.isascii() for text, _, _ in segments):
            return segments
        return [
            each if each.control or each.text.isascii() else Segment(stand_in(each.text), each.style)
            for each in segments
        ]


class PlainBar(ScrollBarRender):
    """A scroll bar whose ends are whole cells."""

    VERTICAL_BARS = [" "] * 8
    HORIZONTAL_BARS = [" "] * 8


@lru_cache(4096)
def stand_in(text: str) -> str:
    """Return a text of the same width in cells without signs that are not ASCII."""
    drawn = text.translate(_BARS)
    return "".join(c if c.isascii() or c.isalpha() else _sign(c) for c in drawn)


def _sign(character: str) -> str:
    width = cell_len(character)
    known = _OURS.own(character)
    return known if known.isascii() and len(known) == width else "?" * width
