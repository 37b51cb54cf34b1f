"""The terminal as Textual drives it on POSIX systems, with more patience: it has a title, and it may go away.

A terminal that is gone (the window closed, the connection lost) must neither hold a writer for ever nor kill its
thread: what is written to it goes nowhere, and `is_lost` tells. One that takes nothing for a while (a connection that
hangs) misses what is written meanwhile, and gets the whole screen when it takes something again.

A terminal that others have (the shell after Ctrl+Z, a pager) is not written to. When it is given back, all of it is
taken and drawn anew, whoever had it and whatever they left behind.
"""

from __future__ import annotations

import os
import select
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from queue import Full
from typing import IO, TYPE_CHECKING

from textual.drivers import linux_driver
from textual.drivers.linux_driver import LinuxDriver

from runbook.text import one_line
from runbook.tui.paste import CalmParser
from runbook.tui.terminal import ABLE

if TYPE_CHECKING:
    from textual.app import App

TITLE = 120
"""Characters of a title."""

LOOK = 0.2
"""Seconds between looks whether a process in the background is in front again."""

STALL = 2.0
"""Seconds that a terminal gets to take what is written, before it misses something."""

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
    """A terminal with a title, that may go away and come back."""

    def __init__(
        self, app: App[object], *, debug: bool = False, mouse: bool = True, size: tuple[int, int] | None = None
    ) -> None:
        super().__init__(app, debug=debug, mouse=mouse, size=size)
        # A missing one goes nowhere, for as long as the process lives.
        self._calm = Calm(sys.__stderr__ or open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
        self._file = self._calm  # type: ignore[assignment]
        self._has_title = has_title()
        self._title = ""
        self._is_ours = False
        """The terminal is in the mode of the screens."""
        self._is_stalled = False
        """It has missed something."""

    @property
    def is_lost(self) -> bool:
        """Whether nobody reads or writes at the other end any more."""
        if self._calm.is_lost:
            return True
        poll = select.poll()
        poll.register(self.fileno, 0)
        return any(event & (select.POLLHUP | select.POLLERR | select.POLLNVAL) for _, event in poll.poll(0))

    # --- what is written ----------------------------------------------------------------------------------------

    def write(self, data: str) -> None:
        """Write, or do nothing while the terminal is not ours or takes nothing."""
        if not self._is_ours or self._writer_thread is None:
            return
        try:
            self._writer_thread._queue.put(data, timeout=0 if self._is_stalled else STALL)  # noqa: SLF001
        except Full:
            self._is_stalled = True
            return
        if self._is_stalled:
            self._is_stalled = False
            self._draw_all()

    def close(self) -> None:
        """End the writer; one that nobody reads from is left behind."""
        if self._writer_thread is None or not self._writer_thread.is_alive():
            return
        with suppress(Full):
            self._writer_thread._queue.put(None, timeout=STALL)  # noqa: SLF001
            self._writer_thread.join(STALL)

    def name(self, words: str) -> None:
        """Set the title of the terminal."""
        if words == self._title or not self._has_title:
            return
        self._title = words
        self.write(title_of(words))

    def _draw_all(self) -> None:
        self._loop.call_soon_threadsafe(lambda: self._app.refresh(layout=True))

    # --- whose it is --------------------------------------------------------------------------------------------

    def start_application_mode(self) -> None:
        """Take the terminal, and its title; in the background it stays with whoever has it."""
        if self._is_ours:
            return
        if not self._is_in_front:
            # A shell brings to the front what runs already without a signal.
            self._loop.call_later(LOOK, self._take_if_free)
            return
        is_back = self._writer_thread is not None
        self._is_ours = True
        super().start_application_mode()  # type: ignore[no-untyped-call]
        if self._has_title:
            self.write(_KEEP + (title_of(self._title) if self._title else ""))
        if is_back:
            # Textual draws what has changed, and a terminal of the same size has not.
            self._draw_all()

    def stop_application_mode(self) -> None:
        """Give the terminal back, with the title that it had."""
        if not self._is_ours:
            return
        if self._has_title:
            self.write(_GIVE_BACK)
        super().stop_application_mode()
        self._is_ours = False

    def disable_input(self) -> None:
        """Read no more keys; a terminal that others have is not touched."""
        if self._is_ours:
            super().disable_input()

    @property
    def _is_in_front(self) -> bool:
        """Whether this process may use its terminal."""
        try:
            return os.tcgetpgrp(self.fileno) == os.getpgrp()
        except OSError:
            # It is not the terminal that controls this process: nobody else may claim it.
            return True

    # What signals want is done by the loop: they come in the middle of anything, with the lock of the writer held.

    def _sigtstp_application(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop)

    def _stop(self) -> None:
        if can_come_back():
            self.suspend_application_mode()
            self._must_signal_resume = True
            # All of the job, as the terminal does: a shell waits until no part of it runs.
            os.killpg(os.getpgrp(), signal.SIGSTOP)

    def _sigcont_application(self, *_: object) -> None:
        if self._auto_restart:
            self._loop.call_soon_threadsafe(self._go_on)

    def _go_on(self) -> None:
        # If it was stopped from outside, nobody has told before, and the shell has put its own mode in place.
        if self._is_in_front:
            self.suspend_application_mode()
        self.resume_application_mode()

    def _take_if_free(self) -> None:
        if self._auto_restart:
            self.start_application_mode()

    def run_input_thread(self) -> None:
        """Read keys; a terminal that fails has no more of them, which the next look at `is_lost` tells."""
        # Textual has no public place for it.
        linux_driver.XTermParser = CalmParser  # type: ignore[attr-defined]
        try:
            super().run_input_thread()
        except OSError:
            self._calm.is_lost = True


def can_come_back() -> bool:
    """Tell whether a shell with job control watches over this process, to bring it back once it is stopped.

    As the kernel does for SIGTSTP ("orphaned process group", POSIX.1-2017 3.264): it wants an ancestor in the same
    session and in another process group.
    """
    import psutil

    group, session = os.getpgrp(), os.getsid(0)
    with suppress(OSError, psutil.Error):
        for each in psutil.Process().parents():
            if os.getpgid(each.pid) != group:
                return os.getsid(each.pid) == session
    return False
