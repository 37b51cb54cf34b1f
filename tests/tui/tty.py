"""The real program on a terminal of its own: keys go in, and what stands on the screen is read back.

The terminal is a pty with pyte as its screen. Tests wait for words on the screen, each time with a deadline.
"""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Mapping
from contextlib import suppress

import pyte

WITHIN = 60.0
"""Seconds in which everything must have happened."""

PATIENCE = 1.5
"""Seconds that a key gets to have its effect."""

KEYS = {
    "enter": "\r",
    "esc": "\x1b",
    "tab": "\t",
    "up": "\x1b[A",
    "down": "\x1b[B",
    "f2": "\x1bOQ",
    "f3": "\x1bOR",
    "f4": "\x1bOS",
    "f5": "\x1b[15~",
    "ctrl+c": "\x03",
    "ctrl+p": "\x10",
    "ctrl+q": "\x11",
    "ctrl+r": "\x12",
    "ctrl+z": "\x1a",
}
"""Names of keys to what an xterm sends for them."""

# The terminal is to be the controlling one, so that it hangs up and suspends as a real one does.
_TAKE = "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"


class Screen(pyte.Screen):
    """A screen that keeps every title that it was given."""

    def __init__(self, columns: int, rows: int) -> None:
        self.titles: list[str] = []
        super().__init__(columns, rows)

    def set_title(self, param: str) -> None:
        """Take a title."""
        self.titles.append(param)
        super().set_title(param)


class Tty:
    """A program on a terminal."""

    def __init__(
        self, argv: list[str], env: Mapping[str, str] | None = None, columns: int = 80, rows: int = 24, cwd: str = "."
    ) -> None:
        self.screen = Screen(columns, rows)
        self._stream = pyte.ByteStream(self.screen)
        self.raw = bytearray()
        """All that was written to the terminal."""
        self.heard: Callable[[bytes], object] = bytes
        """Called with what is written to the terminal, as it comes."""
        self.is_open = True
        self._master, slave = pty.openpty()
        termios.tcsetwinsize(slave, (rows, columns))
        self.before = termios.tcgetattr(slave)
        self.process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _TAKE, *argv],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            cwd=cwd,
            env={**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor", **(env or {})},
            start_new_session=True,
        )
        os.close(slave)

    # --- what is seen -------------------------------------------------------------------------------------------

    @property
    def text(self) -> str:
        """What stands on the screen."""
        return "\n".join(line.rstrip() for line in self.screen.display)

    def until(self, wanted: str | Callable[[str], object], within: float = WITHIN) -> str:
        """Read until it stands on the screen; return the screen."""
        holds = (lambda text: wanted in text) if isinstance(wanted, str) else wanted
        if not self.comes(holds, within):
            raise AssertionError(f"{wanted!r} did not come:\n{self.text}\n{bytes(self.raw[-300:])!r}")
        return self.text

    def comes(self, holds: Callable[[str], object], within: float) -> bool:
        """Tell whether something holds of the screen in so many seconds."""
        deadline = time.monotonic() + within
        while not holds(self.text):
            left = deadline - time.monotonic()
            if left <= 0 or not self.read(left):
                return bool(holds(self.text))
        return True

    def read(self, within: float) -> bool:
        """Take what came; False at the end of the terminal or of the time."""
        if not self.is_open or not select.select([self._master], [], [], within)[0]:
            return False
        data = b""
        with suppress(OSError):
            data = os.read(self._master, 65536)
        self.raw += data
        self.heard(data)
        self._stream.feed(data)
        return bool(data)

    # --- what is done -------------------------------------------------------------------------------------------

    def press(self, *keys: str) -> None:
        """Press keys: a name of KEYS, or text as it is typed."""
        for key in keys:
            os.write(self._master, KEYS.get(key, key).encode())

    def insist(self, key: str, wanted: str | Callable[[str], object], within: float = WITHIN) -> str:
        """Press a key until it had its effect: a fresh question takes no key in its first moment."""
        holds = (lambda text: wanted in text) if isinstance(wanted, str) else wanted
        deadline = time.monotonic() + within
        while time.monotonic() < deadline:
            self.press(key)
            if self.comes(holds, PATIENCE):
                return self.text
        raise AssertionError(f"{key} did not lead to {wanted!r}:\n{self.text}\n{bytes(self.raw[-300:])!r}")

    def resize(self, columns: int, rows: int) -> None:
        """Give the terminal another size; its foreground process is told by the kernel."""
        self.screen.resize(rows, columns)
        termios.tcsetwinsize(self._master, (rows, columns))

    def hang_up(self) -> None:
        """Close the terminal."""
        if self.is_open:
            self.is_open = False
            os.close(self._master)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the program."""
        self.process.send_signal(number)

    def end(self, within: float = WITHIN) -> int:
        """Read to the end; return the exit code."""
        deadline = time.monotonic() + within
        while self.process.poll() is None and time.monotonic() < deadline:
            if not self.read(0.05) and not self.is_open:
                return self.process.wait(within)
        while self.read(0.05):
            pass
        return self.process.wait(max(deadline - time.monotonic(), 0.1))

    def close(self) -> None:
        """End the program, if it still lives."""
        with suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait()
        self.hang_up()

    # --- what was written ---------------------------------------------------------------------------------------

    @property
    def is_restored(self) -> bool:
        """Whether the terminal was given back: cooked as before, main screen, cursor shown, mouse and paste off."""
        attributes = termios.tcgetattr(self._master)
        cooked = attributes[3] == self.before[3]
        last = {
            int(n): on == b"h" for ns, on in re.findall(rb"\x1b\[\?([0-9;]+)([hl])", self.raw) for n in ns.split(b";")
        }
        off = not any(last.get(mode, False) for mode in (1049, 1000, 1002, 1003, 1006, 1015, 2004))
        return cooked and off and last.get(25, True)
