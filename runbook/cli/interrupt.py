"""Signals while a run goes on: they only ask for its end; the engine stops what runs and looks whether it did.

The first Ctrl-C and SIGTERM cancel, SIGHUP lets the running operation end, the second Ctrl-C leaves at once. The
work is done on a thread that reads signal numbers from a pipe: locks held by the main thread cannot stand in its way.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from runbook.cli.exit_codes import Exit
from runbook.cli.front import Front

WATCHED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Steerable(Protocol):
    """What signals can ask of a run."""

    def cancel(self, reason: str) -> None:
        """Stop the running step."""

    def interrupt(self, reason: str) -> None:
        """Let the running operation come to its end."""


class Interrupts:
    """Turns the signals of this process into wishes for a run."""

    def __init__(self, control: Steerable, front: Front) -> None:
        self._control = control
        self._front = front
        self._stopping = False

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Take the signals inside the block, which must be on the main thread."""
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        # A run that was started with SIGHUP ignored, as by nohup, goes on when the terminal is closed.
        taken = [s for s in WATCHED if s != signal.SIGHUP or signal.getsignal(s) != signal.SIG_IGN]
        old = {number: signal.signal(number, _leave_to_the_thread) for number in taken}
        old_fd = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
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
                os._exit(Exit.INTERRUPTED)
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


def _leave_to_the_thread(number: int, frame: object) -> None:
    """Stand in for the default action; the wake-up pipe has the number already."""
