"""The two streams of a command: stdout is data, stderr is narration.

Owns writing that survives a reader who has gone, lines that are not mixed up by several threads, and the line about
what runs now, which a terminal overwrites. Leaves words and colours to those who write.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from runbook.cli.style import Style, style_of
from runbook.errors import RunbookError

CLEAR = "\r\x1b[2K"


class Stream:
    """One output stream; safe for several threads, and calm about a closed pipe."""

    def __init__(self, file: TextIO, style: Style | None = None, *, narration: bool = False) -> None:
        reconfigure = getattr(file, "reconfigure", None)
        if reconfigure is not None:
            # What an encoding lacks is shown by its number: no text may end a run.
            reconfigure(errors="backslashreplace")
        self._file = file
        self.style = style or style_of(file)
        self._narration = narration
        self._lock = threading.RLock()
        self._live = ""
        self._held: list[str] | None = None
        self.gone = False
        """The reader has closed the pipe, or the last word is said: nothing more is written."""

    def line(self, text: str = "") -> None:
        """Write one line of clean text, above the live line."""
        with self._lock:
            if self._held is not None:
                self._held.append(text)
                return
            self._write(f"{CLEAR if self._live else ''}{self.style.plain(text)}\n{self._live}")

    def lines(self, texts: list[str]) -> None:
        """Write lines that stay together."""
        if texts:
            self.line("\n".join(texts))

    def raw(self, text: str) -> None:
        """Write text as it is, without a line end."""
        with self._lock:
            self._write(self.style.plain(text))

    def live(self, text: str) -> None:
        """Replace the line about what runs now; nothing where lines cannot be written over."""
        with self._lock:
            if not self.style.live or self._held is not None or text == self._live:
                return
            old, self._live = self._live, text
            self._write(f"{CLEAR if old else ''}{text}")

    def frame(self, lines: list[str], over: int) -> None:
        """Write lines over the last `over` ones, where lines can be written over; else below them."""
        with self._lock:
            up = f"\x1b[{over}A" if over and self.style.live else ""
            clear = CLEAR if self.style.live else ""
            self._write(up + "".join(f"{clear}{self.style.plain(line)}\n" for line in lines))

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep lines back while a question is on the screen; what came meanwhile is written at the end."""
        with self._lock:
            self.live("")
            self._held = []
        try:
            yield
        finally:
            with self._lock:
                waiting, self._held = self._held or [], None
                for text in waiting:
                    self.line(text)

    @contextmanager
    def last_word(self, patience: float) -> Iterator[None]:
        """Let this thread write inside the block, and nobody after it.

        Who waits longer than `patience` seconds for a writer that hangs goes on beside it.
        """
        is_alone = self._lock.acquire(timeout=patience)
        try:
            yield
        finally:
            self.gone = True
            if is_alone:
                self._lock.release()

    @property
    def is_held(self) -> bool:
        """Whether lines are kept back."""
        return self._held is not None

    def _write(self, text: str) -> None:
        if self.gone:
            return
        try:
            self._file.write(text)
            self._file.flush()
        except (BrokenPipeError, ValueError):
            self._leave()
        except OSError as error:
            self._leave()
            if not self._narration:
                # Narration that cannot be written must not end a run; data that is lost must be told.
                raise RunbookError(f"the output cannot be written: {error.strerror}") from error

    def _leave(self) -> None:
        self.gone = True
        try:
            # What Python flushes at its end goes nowhere, instead of failing once more.
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, self._file.fileno())
            os.close(null)
        except (OSError, ValueError):
            pass


def standard_streams() -> tuple[Stream, Stream]:
    """Return stdout for data and stderr for narration; a missing one goes nowhere."""
    return Stream(_or_nowhere(sys.stdout)), Stream(_or_nowhere(sys.stderr), narration=True)


def _or_nowhere(file: TextIO | None) -> TextIO:
    # It lives as long as the process: nothing closes it.
    return open(os.devnull, "w", encoding="utf-8") if file is None else file
