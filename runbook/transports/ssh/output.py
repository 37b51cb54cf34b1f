"""What comes back from a wrapper that streams: its greeting, the output of the command, and its last line.

Owns the two places where a line of the wrapper stands in the streams of the command. Nothing of the command's own
output is lost or held back for longer than it could be such a line.
"""

from __future__ import annotations

from runbook.ports.target import Sink, Stream
from runbook.transports.wrapper import LONGEST_END, Hello, ended, hello

_WORD = b"runbook-job ended "
_MOST_NOISE = 1 << 20  # what a login shell may say before the greeting


class JobOutput:
    """Takes the two streams apart and passes the command's part on."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self.greeting: Hello | None = None
        self.passed: dict[Stream, int] = {"out": 0, "err": 0}
        """Bytes of the command that were passed on, by stream."""
        self._before = b""
        self._held = b""

    def take(self, stream: Stream, data: bytes) -> None:
        """Take what came."""
        if stream == "out":
            self._take_out(data)
        else:
            self._take_err(data)

    def end(self) -> tuple[int, str] | None:
        """Return exit status and reason as the wrapper has told them at last; None if it did not come to that."""
        found = ended(self._held)
        rest = self._held[: self._held.rfind(_WORD)] if found is not None else self._held
        self._held = b""
        if found is not None or self.greeting is not None:
            self._pass("err", rest)
        return found

    def _take_out(self, data: bytes) -> None:
        if self.greeting is not None:
            self._pass("out", data)
            return
        self._before += data
        while b"\n" in self._before and self.greeting is None:
            line, _, self._before = self._before.partition(b"\n")
            self.greeting = hello(line + b"\n")
        if self.greeting is not None:
            rest, self._before = self._before, b""
            self._pass("out", rest)
        elif len(self._before) > _MOST_NOISE:
            self._before = self._before[-LONGEST_END:]

    def _take_err(self, data: bytes) -> None:
        held = self._held + data
        start = held.rfind(_WORD)
        if start < 0 or len(held) - start > LONGEST_END:
            start = len(held) - _beginning(held)
        self._held = held[start:]
        self._pass("err", held[:start])

    def _pass(self, stream: Stream, data: bytes) -> None:
        if data:
            self.passed[stream] += len(data)
            self._sink.write(stream, data)


def _beginning(data: bytes) -> int:
    """Return how many bytes at the end could be the beginning of the last line."""
    return next((size for size in range(min(len(_WORD), len(data)), 0, -1) if data.endswith(_WORD[:size])), 0)


class Gathered:
    """A sink that keeps the first part of what comes."""

    def __init__(self, most: int = 1 << 20) -> None:
        self.out = b""
        self.err = b""
        self._most = most

    def write(self, stream: Stream, data: bytes) -> None:
        """Keep it, as long as there is room."""
        if stream == "out":
            self.out = (self.out + data)[: self._most]
        else:
            self.err = (self.err + data)[: self._most]
