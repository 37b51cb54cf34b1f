"""Finding many patterns in a text: as it is written, and as it reads without terminal control.

Owns the search and the question of what the end of a text may still become. It replaces nothing; that is for `mask`
and `stream`. All positions are those of the text as written.
"""

import re
from bisect import bisect_right
from collections.abc import Iterable

from runbook.secret.variant import LEAST
from runbook.text.control import dropped, open_at, suspicious

Span = tuple[int, int]

_PATIENCE = 65536  # characters of terminal control inside a half-seen secret before it is let go


class View:
    """A text without its terminal control, which knows where each character came from."""

    def __init__(self, text: str) -> None:
        self.sequences: list[Span] = []
        """The escape sequences, in order; single control characters are not among them."""
        self._origins: list[int] = []
        self._starts: list[int] = []
        pieces: list[str] = []
        end = length = 0
        for match in dropped(text).finditer(text):
            start = match.start()
            if start > end:
                self._origins.append(end)
                self._starts.append(length)
                pieces.append(text[end:start])
                length += start - end
            end = match.end()
            if text[start] == "\x1b" or "\x80" <= text[start] <= "\x9f":
                self.sequences.append((start, end))
        if end < len(text):
            self._origins.append(end)
            self._starts.append(length)
            pieces.append(text[end:])
        self.text = "".join(pieces)

    def origin(self, index: int) -> int:
        """Return where the character at `index` stands in the text as written."""
        piece = bisect_right(self._starts, index) - 1
        return self._origins[piece] + index - self._starts[piece]

    def spans(self, spans: Iterable[Span]) -> list[Span]:
        """Return spans of this view as spans of the text as written."""
        return [(self.origin(start), self.origin(end - 1) + 1) for start, end in spans]

    def ground(self, index: int) -> int:
        """Return `index`, or the start of the sequence in whose middle it lies."""
        start, end = self._around(index)
        return start if start < index < end else index

    def widened(self, span: Span) -> Span:
        """Return `span` with the sequences that it cuts in two.

        A marker in the middle of a sequence would change what the rest of the sequence takes in.
        """
        start, end = self._around(span[1])
        return self.ground(span[0]), end if start < span[1] < end else span[1]

    def _around(self, index: int) -> Span:
        place = bisect_right(self.sequences, (index, 0)) - 1
        return self.sequences[place] if place >= 0 else (index, index)


class Table:
    """An unchanging set of patterns, ready to be searched for."""

    def __init__(self, patterns: Iterable[str] = ()) -> None:
        self.patterns = frozenset(patterns)
        self.longest = max(map(len, self.patterns), default=0)
        # The search knows only the first characters of each pattern; the few places found are then compared in full.
        # This keeps the expression small for long secrets, and shows at once what the end of a text may become.
        self._by_head: dict[str, list[str]] = {}
        for pattern in sorted(self.patterns, key=lambda pattern: (-len(pattern), pattern)):
            self._by_head.setdefault(pattern[:LEAST], []).append(pattern)
        self._beginnings = {head[:length] for head in self._by_head for length in range(1, LEAST)}
        self._search = re.compile(_tree(sorted(self._by_head))).search if self._by_head else None

    def __bool__(self) -> bool:
        return bool(self.patterns)

    def look(self, text: str, *, final: bool) -> tuple[list[Span], int]:
        """Return the merged spans to mask in `text`, and how far it is certain by now.

        Args:
            text: what begins outside of any escape sequence.
            final: nothing comes after it, so all is certain. A secret of which at least the first half stands at the
                end counts as found then.
        """
        spans, certain = self._find(text, final=final)
        if suspicious(text):
            view = View(text)
            if view.text != text:
                spans, certain = self._look_through(text, view, spans, certain, final=final)
        return merged(spans), len(text) if final else certain

    def _look_through(
        self, text: str, view: View, spans: list[Span], certain: int, *, final: bool
    ) -> tuple[list[Span], int]:
        more, inside = self._find(view.text, final=final)
        spans = [view.widened(span) for span in (*spans, *view.spans(more))]
        if inside < len(view.text):
            origin = view.origin(inside)
            if len(text) - origin <= self.longest + _PATIENCE:
                certain = min(certain, origin)
        return spans, view.ground(min(certain, open_at(text)))

    def _find(self, text: str, *, final: bool) -> tuple[list[Span], int]:
        """Return every match, overlapping ones too, and the place of the first pattern that the end leaves open."""
        spans: list[Span] = []
        size = len(text)
        if self._search is None:
            return spans, size
        certain = size
        match = self._search(text)
        while match is not None:
            start = match.start()
            left = size - start
            found = False
            for pattern in self._by_head[match.group()]:
                if len(pattern) > left:
                    if start < certain and pattern.startswith(text[start:]):
                        certain = start
                        if final and 2 * left >= len(pattern):
                            spans.append((start, size))
                elif not found and text.startswith(pattern, start):
                    found = True
                    spans.append((start, start + len(pattern)))
            match = self._search(text, start + 1)
        for start in range(max(0, size - LEAST + 1), size):
            if text[start:] in self._beginnings:
                return spans, min(certain, start)
        return spans, certain


def merged(spans: list[Span]) -> list[Span]:
    """Join the spans that overlap; neighbours stay apart."""
    merged: list[Span] = []
    for start, end in sorted(spans):
        if merged and start < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _tree(words: list[str]) -> str:
    """Return an expression for sorted words of one length that branches by character instead of by word."""
    if len(words[0]) == 1:
        return f"[{''.join(map(re.escape, words))}]" if len(words) > 1 else re.escape(words[0])
    branches: dict[str, list[str]] = {}
    for word in words:
        branches.setdefault(word[0], []).append(word[1:])
    parts = [re.escape(first) + _tree(rest) for first, rest in branches.items()]
    return parts[0] if len(parts) == 1 else f"(?:{'|'.join(parts)})"
