"""The way of output: raw bytes are masked, kept in the side file, sanitised, and told as signals."""

from __future__ import annotations

import threading
from collections.abc import Callable

from runbook.errors import JournalError
from runbook.events.fact import Output
from runbook.events.signal import OutputReceived, Signal
from runbook.ports.recorder import OutputWriter
from runbook.ports.target import Stream
from runbook.secret import Masker, MaskStream
from runbook.text import StreamSanitiser

HELD = 1024 * 1024


class OutputSink:
    """Takes the output of one attempt; what an expression may see of it is bounded to 1 MiB of each stream."""

    def __init__(
        self,
        masker: Masker,
        writer: OutputWriter,
        tell: Callable[[Signal], None],
        clock: Callable[[], float],
        place: tuple[str, str, int],
        *,
        keep: bool = True,
        listened: bool = True,
    ) -> None:
        self._writer = writer
        self._tell = tell
        self._clock = clock
        self._began = clock()
        self._place = place
        self._keep = keep
        self.lost = False
        self._listened = listened
        self._lock = threading.Lock()
        self._masker = masker
        # For each stream with its first byte: most commands that only look write one of them or none.
        self._masks: dict[Stream, MaskStream] = {}
        self._sanitisers: dict[Stream, StreamSanitiser] = {}
        self._held: dict[Stream, bytearray] = {}

    def write(self, stream: Stream, data: bytes) -> None:
        """Take some bytes of a stream."""
        with self._lock:
            if stream not in self._masks:
                self._masks[stream], self._sanitisers[stream] = self._masker.stream(), StreamSanitiser()
                self._held[stream] = bytearray()
            self._pass(stream, self._masks[stream].feed(data), data)

    def _pass(self, stream: Stream, masked: bytes, raw: bytes) -> None:
        held = self._held[stream]
        if len(held) < HELD:
            held += raw[: HELD - len(held)]
        if not masked or not self._keep:
            return
        at_ms = int((self._clock() - self._began) * 1000)
        try:
            self._writer.write(stream, masked, at_ms)
        except JournalError:
            # A step that runs is not killed because its output cannot be kept; the next record will refuse.
            self.lost = True
        if self._listened:
            clean = self._sanitisers[stream]
            if text := clean.feed(masked):
                self._tell(OutputReceived(*self._place, stream, text, at_ms, clean.taken()))

    def text(self, stream: Stream) -> str:
        """Return the beginning of what came, unmasked, for expressions alone."""
        return self._held.get(stream, b"").decode("utf-8", "replace")

    def close(self) -> Output | None:
        """Finish: what was held back is passed on; return the reference of the side file."""
        with self._lock:
            for stream, mask in self._masks.items():
                self._pass(stream, mask.flush(), b"")
            return self._writer.close()
