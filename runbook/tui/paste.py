"""What was pasted stays text: a paste never acts, whatever control sequences it holds.

Textual 8.2 looks for sequences of keys also inside a bracketed paste, and hands what it does not know on as keys, with
the line ends among them as Enter. So they are taken out before it reads.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from textual._xterm_parser import XTermParser
from textual.message import Message

# "Bracketed Paste Mode" of https://invisible-island.net/xterm/ctlseqs/ctlseqs.html
_START, _END = "\x1b[200~", "\x1b[201~"
_CONTROL = re.compile(r"\x1b\[(?!201~)[0-?]*[ -/]*[@-~]|\x1b(?!\[)|\x1b\[(?![0-?]*[ -/]*[@-~])")
"""A control sequence (ECMA-48, 5.4), or the beginning of what is none."""
_BEGUN = re.compile(r"\x1b(\[[0-?]{0,32})?\Z")


class PasteFilter:
    """Reads what a terminal sends, piece by piece, and takes control sequences out of what was pasted."""

    def __init__(self) -> None:
        self._is_pasted = False
        self._tail = ""
        """The end of what came before, which may be the beginning of a paste."""
        self._held = ""
        """The end of what was pasted so far, which may be the beginning of a sequence."""

    def feed(self, data: str) -> str:
        """Return what is to be read of this piece; it may be nothing."""
        done: list[str] = []
        while data:
            data = self._pasted(data, done) if self._is_pasted else self._typed(data, done)
        return "".join(done)

    def _typed(self, data: str, done: list[str]) -> str:
        # Nothing is held back here: an Esc has to be read at once.
        before = self._tail
        at = (before + data).find(_START)
        if at < 0:
            done.append(data)
            self._tail = (before + data)[1 - len(_START) :]
            return ""
        rest = at + len(_START) - len(before)
        done.append(data[:rest])
        self._is_pasted, self._tail = True, ""
        return data[rest:]

    def _pasted(self, data: str, done: list[str]) -> str:
        text, end, rest = (self._held + data).partition(_END)
        self._held = ""
        begun = None if end else _BEGUN.search(text)
        if begun is not None:
            self._held, text = begun.group(), text[: begun.start()]
        done.append(_CONTROL.sub("", text) + end)
        self._is_pasted = not end
        return rest


class CalmParser(XTermParser):
    """Reads keys, and pastes that are text alone."""

    def __init__(self, debug: bool = False) -> None:
        super().__init__(debug)
        self._filter = PasteFilter()

    def feed(self, data: str) -> Iterable[Message]:
        """Read a piece; an empty one is the end."""
        kept = self._filter.feed(data)
        return super().feed(kept) if kept or not data else ()
