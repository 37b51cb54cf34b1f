"""Lines that a person types at a terminal, read so that a cancel ends the wait.

Owns the terminal's input: what was typed ahead is thrown away, and a secret is not echoed. Leaves questions and
answers to `guided`.
"""

from __future__ import annotations

import os
import select
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager

from runbook.ports.cancel import Cancel

SLICE = 0.2
"""Seconds between looks at the cancel token."""


class NoInput(Exception):
    """There is no answer to come: end of input, no terminal, or the question was taken back."""


class Keyboard:
    """The terminal on stdin."""

    def __init__(self, descriptor: int | None = None) -> None:
        self._fd = _stdin() if descriptor is None else descriptor
        self._rest = b""

    def drop_typed_ahead(self) -> None:
        """Forget what was typed before the question stood there: it was not meant as its answer."""
        self._rest = b""
        try:
            termios.tcflush(self._fd, termios.TCIFLUSH)
        except termios.error as error:
            raise NoInput("there is no terminal to ask on") from error

    def line(self, cancel: Cancel) -> str:
        """Return the next line without its end. Raises NoInput at the end of input and when the token is set."""
        while b"\n" not in self._rest:
            if cancel.is_set():
                raise NoInput(cancel.reason)
            if select.select([self._fd], [], [], SLICE)[0]:
                self._more()
        line, _, self._rest = self._rest.partition(b"\n")
        return line.decode("utf-8", "replace").rstrip("\r")

    def _more(self) -> None:
        try:
            data = os.read(self._fd, 4096)
        except OSError as error:
            # A terminal whose other end is gone answers EIO.
            raise NoInput("the terminal is gone") from error
        if not data:
            raise NoInput("end of input")
        self._rest += data

    @contextmanager
    def silent(self) -> Iterator[None]:
        """Echo nothing inside the block; the prompt belongs inside, or fast fingers are seen."""
        try:
            old = termios.tcgetattr(self._fd)
        except termios.error as error:
            raise NoInput("there is no terminal that hides what is typed") from error
        quiet = [*old]
        quiet[3] &= ~termios.ECHO
        termios.tcsetattr(self._fd, termios.TCSAFLUSH, quiet)
        try:
            yield
        finally:
            termios.tcsetattr(self._fd, termios.TCSAFLUSH, old)


def _stdin() -> int:
    try:
        return sys.stdin.fileno()
    except (AttributeError, OSError, ValueError):
        return -1
