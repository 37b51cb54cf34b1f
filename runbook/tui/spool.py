"""Output of a run in memory, line by line: what the output views draw from.

Bounded by bytes. What is over the bound is forgotten from the front, and counted; the side files of the journal keep
all of it, and the pager shows it.
"""

from __future__ import annotations

from collections import deque
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from runbook.events.signal import OutputReceived

MOST_BYTES = 48 * 1024 * 1024
_OVERHEAD = 120
"""Bytes that a kept line costs besides its text."""


class Line(Struct, frozen=True):
    """One line of output: clean text."""

    step: str
    target: str
    attempt: int
    stream: Literal["out", "err"]
    at_ms: int
    text: str


class Spool:
    """Lines in the order in which they came."""

    def __init__(self, most: int = MOST_BYTES) -> None:
        self._most = most
        self._size = 0
        self._lines: deque[Line] = deque()
        self._unfinished: tuple[str, str, int, str] | None = None
        """Whose text the last line is, if no line break has ended it."""
        self.dropped = 0
        """Lines that were forgotten, from the front."""
        self.lost = 0
        """Characters that never came here, because the screens did not keep up."""

    def __len__(self) -> int:
        return len(self._lines)

    @property
    def end(self) -> int:
        """The number that the next line gets; numbers count from the first line of the run."""
        return self.dropped + len(self._lines)

    def since(self, number: int) -> list[Line]:
        """Return the lines from this number on that are still kept."""
        start = max(0, number - self.dropped)
        if start == 0:
            return list(self._lines)
        fresh = len(self._lines) - start
        tail = [self._lines[-1 - back] for back in range(fresh)]
        tail.reverse()
        return tail

    def add(self, event: OutputReceived) -> None:
        """Take some text, which may be several lines, or a part of one that goes on with the next text."""
        first, *more = event.text.split("\n")
        place = (event.step, event.target, event.attempt, event.stream)
        if self._unfinished == place and self._lines:
            last = self._lines[-1]
            self._lines[-1] = replace(last, text=last.text + first)
            self._size += len(first)
        elif first or more:
            self._keep(event, first)
        # What follows the last line break is empty, or a line that goes on.
        for text in more[:-1]:
            self._keep(event, text)
        if more and more[-1]:
            self._keep(event, more[-1])
        self._unfinished = place if (more and more[-1]) or not more else None
        while self._size > self._most and self._lines:
            self._size -= len(self._lines.popleft().text) + _OVERHEAD
            self.dropped += 1

    def _keep(self, event: OutputReceived, text: str) -> None:
        self._lines.append(Line(event.step, event.target, event.attempt, event.stream, event.at_ms, text))
        self._size += len(text) + _OVERHEAD
