"""Signals while a run goes on: they only ask for its end; the engine stops what runs and looks whether it did.

The first Ctrl-C and SIGTERM cancel, SIGHUP lets the running operation end, the second Ctrl-C leaves at once, with a
last line that says what is left behind. The work is done on a thread that reads signal numbers from a pipe: locks
held by the main thread cannot stand in its way.
"""

from __future__ import annotations

import os
import select
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Protocol

from runbook.cli import early
from runbook.cli.exit_codes import Exit
from runbook.cli.front import Front

LAST_WORD = 1.0
"""Seconds that the last line gets to be written: a reader who is stuck must not hold back who leaves."""

WATCHED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Steerable(Protocol):
    """What signals can ask of a run."""

    def cancel(self, reason: str) -> None:
        """Stop the running step."""

    def interrupt(self, reason: str) -> None:
        """Let the running operation come to its end."""


def no_object(code: Exit, words: str) -> None:
    """Write nothing for programs."""


def nothing_left() -> tuple[Exit, str]:
    """Return what is left behind where no run was begun."""
    return Exit.INTERRUPTED, "left at once; nothing was changed"


class Interrupts:
    """Turns the signals of this process into wishes for a run."""

    def __init__(
        self,
        control: Steerable,
        front: Front,
        left_behind: Callable[[], tuple[Exit, str]] = nothing_left,
        last_object: Callable[[Exit, str], None] = no_object,
    ) -> None:
        """Watch over a run.

        Args:
            control: takes the wishes.
            front: tells that the wish was heard.
            left_behind: gives the exit code and the last line for whoever leaves at once.
            last_object: writes both to stdout for programs.
        """
        self._control = control
        self._front = front
        self._left_behind = left_behind
        self._last_object = last_object
        self._stopping = False

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Take the signals inside the block, which must be on the main thread."""
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        # A run that was started with SIGHUP ignored, as by nohup, goes on when the terminal is closed.
        taken = [s for s in WATCHED if s != signal.SIGHUP or signal.getsignal(s) != signal.SIG_IGN]
        # First the pipe: what comes before the handlers are set is either raised by the old one or in the pipe.
        old_fd = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        old = {number: signal.signal(number, _leave_to_the_thread) for number in taken}
        if early.came():
            # Raised while nothing could be raised, and so without effect.
            os.write(writer, bytes([signal.SIGINT]))
        thread = threading.Thread(target=self._read, args=(reader,), name="signals", daemon=True)
        thread.start()
        try:
            yield
        finally:
            signal.set_wakeup_fd(old_fd)
            for number, handler in old.items():
                signal.signal(number, handler)
            os.close(writer)
            thread.join(timeout=2)
            os.close(reader)

    def _read(self, reader: int) -> None:
        while data := os.read(reader, 16):
            for number in data:
                self.take(number)

    def take(self, number: int) -> None:
        """Act on one signal."""
        match number:
            case signal.SIGINT if self._stopping:
                self._leave()
            case signal.SIGINT | signal.SIGTERM:
                self._front.terminated |= number == signal.SIGTERM and not self._stopping
                self._stopping = True
                again = "; a second Ctrl-C leaves at once" if number == signal.SIGINT else ""
                self._front.say(f"  asked to stop: the running step is stopped and looked at{again}")
                self._control.cancel("Ctrl-C" if number == signal.SIGINT else "SIGTERM")
            case signal.SIGHUP:
                self._control.interrupt("SIGHUP: the terminal was closed")
            case _:
                pass

    def _leave(self) -> None:
        code, words = self._left_behind()
        # Not through the stream: its lines may be kept back for a question.
        with self._front.err.last_word(LAST_WORD), suppress(OSError, ValueError):
            begin = "\n" if os.isatty(2) else ""
            if select.select([], [2], [], LAST_WORD)[1]:
                os.write(2, f"{begin}runbook: {words}\n".encode())
        self._within_a_moment(lambda: self._last_data(code, words))
        os._exit(code)

    def _last_data(self, code: Exit, words: str) -> None:
        with self._front.out.last_word(LAST_WORD):
            self._last_object(code, words)

    def _within_a_moment(self, work: Callable[[], None]) -> None:
        """Do what may hang on a reader or a lock, and leave it behind if it does."""

        def body() -> None:
            with suppress(Exception):
                work()

        # Daemonic, as it must not hold back the end of the process.
        thread = threading.Thread(target=body, name="last-word", daemon=True)
        thread.start()
        thread.join(LAST_WORD)


def _leave_to_the_thread(number: int, frame: object) -> None:
    """Stand in for the default action; the wake-up pipe has the number already."""
