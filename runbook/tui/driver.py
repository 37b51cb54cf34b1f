"""The terminal as Textual drives it on POSIX systems, with two things more: it has a title, and it may vanish.

A terminal that is gone (the window closed, the connection lost) must neither hold a writer for ever nor kill its
thread: what is written to it goes nowhere, and `is_lost` tells.
"""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Mapping
from typing import IO, TYPE_CHECKING

from textual.drivers.linux_driver import LinuxDriver

from runbook.text import one_line
from runbook.tui.terminal import ABLE

if TYPE_CHECKING:
    from textual.app import App

TITLE = 120
"""Characters of a title."""

# "Window manipulation" and "Operating System Commands" of https://invisible-island.net/xterm/ctlseqs/ctlseqs.html:
# the title of before is kept on the terminal's own stack. Who knows no stack ignores both.
_KEEP = "\x1b[22;2t"
_GIVE_BACK = "\x1b[23;2t"


def has_title(environment: Mapping[str, str] = os.environ) -> bool:
    """Tell whether this terminal is known to take a title without showing it as text."""
    return environment.get("TERM", "").startswith(ABLE)


def title_of(words: str) -> str:
    """Return what sets the title; the words are made harmless."""
    return f"\x1b]2;{one_line(words, TITLE)}\x1b\\"


class Calm:
    """A file that goes on after its terminal is gone."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file
        self.is_lost = False
        """A write has failed."""

    def write(self, text: str) -> int:
        """Write, or do nothing if nobody is there to read."""
        if not self.is_lost:
            try:
                self._file.write(text)
            except (OSError, ValueError):
                self.is_lost = True
        return len(text)

    def flush(self) -> None:
        """Flush, or do nothing."""
        if not self.is_lost:
            try:
                self._file.flush()
            except (OSError, ValueError):
                self.is_lost = True

    def fileno(self) -> int:
        """Return the number of the file."""
        return self._file.fileno()

    def isatty(self) -> bool:
        """Tell whether it is a terminal."""
        return self._file.isatty()


class TerminalDriver(LinuxDriver):
    """A terminal with a title, that may vanish."""

    def __init__(
        self, app: App[object], *, debug: bool = False, mouse: bool = True, size: tuple[int, int] | None = None
    ) -> None:
        super().__init__(app, debug=debug, mouse=mouse, size=size)
        # A missing one goes nowhere, for as long as the process lives.
        self._calm = Calm(sys.__stderr__ or open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
        self._file = self._calm  # type: ignore[assignment]
        self._has_title = has_title()
        self._title = ""

    @property
    def is_lost(self) -> bool:
        """Whether nobody reads or writes at the other end any more."""
        if self._calm.is_lost:
            return True
        poll = select.poll()
        poll.register(self.fileno, 0)
        return any(event & (select.POLLHUP | select.POLLERR | select.POLLNVAL) for _, event in poll.poll(0))

    def name(self, words: str) -> None:
        """Set the title of the terminal."""
        if words == self._title or not self._has_title:
            return
        self._title = words
        self.write(title_of(words))

    def start_application_mode(self) -> None:
        """Take the terminal, and its title."""
        super().start_application_mode()  # type: ignore[no-untyped-call]
        if self._has_title:
            self.write(_KEEP + (title_of(self._title) if self._title else ""))

    def stop_application_mode(self) -> None:
        """Give the terminal back, with the title that it had."""
        if self._has_title:
            self.write(_GIVE_BACK)
        super().stop_application_mode()

    def run_input_thread(self) -> None:
        """Read keys; a terminal that fails has no more of them, which the next look at `is_lost` tells."""
        try:
            super().run_input_thread()
        except OSError:
            self._calm.is_lost = True
