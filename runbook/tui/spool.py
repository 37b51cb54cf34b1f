"""Output of a run in memory, line by line: what the output views draw from.

Bounded by bytes. What is over the bound is forgotten from the front, and counted; the side files of the journal keep
all of it, and the pager shows it. Each step, and each of its places, has an index of its lines.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Sequence
from typing import Literal, overload

from msgspec import Struct
from rich.cells import cell_len

from runbook.events.signal import OutputReceived

MOST_BYTES = 48 * 1024 * 1024
MOST_LINE = 1024 * 1024
"""Characters of one line; what is longer goes on in the next."""
_OVERHEAD = 200
"""Bytes that a kept line costs besides its text."""
_COMPACT = 32_768
"""Forgotten entries at the front of a list before it is made shorter."""


_MEASURED = 500
"""Characters up to which the width of a line is counted; that of a longer one is the most that it can be."""


class Line(Struct, frozen=True, gc=False):
    """One line of output: clean text."""

    step: str
    target: str
    attempt: int
    stream: Literal["out", "err"]
    at_ms: int
    text: str


class Numbers:
    """The numbers of some lines, ascending, those that are forgotten left out."""

    def __init__(self) -> None:
        self._all = array("Q")
        self._gone = 0
        self.removed = 0
        """Control sequences that were removed from these lines before they came here."""
        self.widest = 0
        """Characters of the longest line, at least; wide characters count two."""

    def add(self, number: int, width: int) -> None:
        """Take the next number, and how many cells its line may have."""
        self._all.append(number)
        self.widest = max(self.widest, width)

    def forget(self, before: int) -> int:
        """Leave out the numbers before this one; return how many that were."""
        gone = bisect_left(self._all, before, self._gone)
        forgotten, self._gone = gone - self._gone, gone
        if gone > _COMPACT and gone * 2 > len(self._all):
            del self._all[:gone]
            self._gone = 0
        return forgotten

    def __len__(self) -> int:
        return len(self._all) - self._gone

    def __getitem__(self, at: int) -> int:
        if at < 0:
            return self._all[at]
        return self._all[self._gone + at]

    def find(self, number: int) -> int:
        """Return at which place this number stands, or the next one after it."""
        return bisect_left(self._all, number, self._gone) - self._gone


NO_NUMBERS = Numbers()


class Spool(Sequence[Line]):
    """Lines in the order in which they came; a place in the sequence counts from the first one that is kept."""

    def __init__(self, most: int = MOST_BYTES) -> None:
        self._most = most
        self._size = 0
        self._lines: list[Line | None] = []
        self._gone = 0
        self._open: dict[tuple[str, str, int, str], tuple[int, list[str], int]] = {}
        """Of each place and stream that is within a line: its number, the parts of its text, their length."""
        self._index: dict[tuple[str, str], Numbers] = {}
        self.dropped = 0
        """Lines that were forgotten, from the front."""
        self.lost = 0
        """Characters that never came here, because the screens did not keep up."""

    def __len__(self) -> int:
        return len(self._lines) - self._gone

    @overload
    def __getitem__(self, at: int) -> Line: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[Line]: ...
    def __getitem__(self, at: int | slice) -> Line | Sequence[Line]:
        if isinstance(at, slice):
            return [self[n] for n in range(*at.indices(len(self)))]
        if not -len(self) <= at < len(self):
            raise IndexError(at)
        return self.line(self.dropped + (at if at >= 0 else at + len(self)))

    @property
    def end(self) -> int:
        """The number that the next line gets; numbers count from the first line of the run."""
        return self.dropped + len(self)

    def line(self, number: int) -> Line:
        """Return the line with this number; raises IndexError if it is forgotten or has not come."""
        at = number - self.dropped + self._gone
        if number < self.dropped or at >= len(self._lines):
            raise IndexError(number)
        line = self._lines[at]
        assert line is not None
        place = (line.step, line.target, line.attempt, line.stream)
        found = self._open.get(place)
        if found is None or found[0] != number or len(found[1]) == 1:
            return line
        # Joined when it is looked at: a line that comes in thousands of parts would be copied each time.
        line = Line(*place[:3], line.stream, line.at_ms, "".join(found[1]))
        self._lines[at] = line
        self._open[place] = (number, [line.text], found[2])
        return line

    def since(self, number: int) -> list[Line]:
        """Return the lines from this number on that are still kept."""
        return [self.line(n) for n in range(max(number, self.dropped), self.end)]

    def numbers(self, step: str, target: str = "") -> Numbers:
        """Return the lines of a step, or of one place of it."""
        return self._index.get((step, target), NO_NUMBERS)

    def add(self, event: OutputReceived) -> None:
        """Take some text, which may be several lines, or a part of one that goes on with the next text."""
        place = (event.step, event.target, event.attempt, event.stream)
        indexes = (self._numbers(event.step, ""), self._numbers(event.step, event.target))
        for index in indexes:
            index.removed += event.removed
        first, *more = event.text.split("\n")
        if found := self._open.get(place):
            self._grow(event, found, first, indexes)
        elif more:
            self._keep(event, first, indexes)
        elif first:
            self._begin(event, first, indexes)
        if more:
            self._end(place)
            for text in more[:-1]:
                self._keep(event, text, indexes)
            # What follows the last line break is empty, or a line that goes on.
            if more[-1]:
                self._begin(event, more[-1], indexes)
        while self._size > self._most and len(self) > 1:
            self._forget()

    def _numbers(self, step: str, target: str) -> Numbers:
        return self._index.setdefault((step, target), Numbers())

    def _keep(self, event: OutputReceived, text: str, indexes: tuple[Numbers, ...]) -> str:
        """Take a line, or several if it is longer than one may be; return the text of the last."""
        piece = text
        for at in range(0, len(text) or 1, MOST_LINE):
            piece = text if len(text) <= MOST_LINE else text[at : at + MOST_LINE]
            number = self.end
            self._lines.append(Line(event.step, event.target, event.attempt, event.stream, event.at_ms, piece))
            self._size += len(piece) + _OVERHEAD
            width = _cells(piece)
            for index in indexes:
                index.add(number, width)
        return piece

    def _begin(self, event: OutputReceived, text: str, indexes: tuple[Numbers, ...]) -> None:
        """Take a line that may go on with the next text."""
        piece = self._keep(event, text, indexes)
        self._open[event.step, event.target, event.attempt, event.stream] = (self.end - 1, [piece], len(piece))

    def _grow(
        self, event: OutputReceived, found: tuple[int, list[str], int], text: str, indexes: tuple[Numbers, ...]
    ) -> None:
        number, parts, length = found
        if number < self.dropped or length + len(text) > MOST_LINE:
            self._end((event.step, event.target, event.attempt, event.stream))
            self._begin(event, text, indexes)
            return
        parts.append(text)
        length += len(text)
        self._open[event.step, event.target, event.attempt, event.stream] = (number, parts, length)
        self._size += len(text)
        for index in indexes:
            index.widest = max(index.widest, length if text.isascii() else 2 * length)

    def _end(self, place: tuple[str, str, int, str]) -> None:
        found = self._open.get(place)
        if found is None:
            return
        if found[0] >= self.dropped:
            self.line(found[0])
        del self._open[place]

    def _forget(self) -> None:
        line = self._lines[self._gone]
        self._lines[self._gone] = None
        assert line is not None
        self._size -= len(line.text) + _OVERHEAD
        self._gone += 1
        self.dropped += 1
        for key in ((line.step, ""), (line.step, line.target)):
            self._index[key].forget(self.dropped)
        if self._gone > _COMPACT and self._gone * 2 > len(self._lines):
            del self._lines[: self._gone]
            self._gone = 0


def _cells(text: str) -> int:
    if text.isascii():
        return len(text) if "\t" not in text else len(text.expandtabs(8))
    return cell_len(text) if len(text) <= _MEASURED else 2 * len(text)
