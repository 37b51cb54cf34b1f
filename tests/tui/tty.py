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
from functools import cache
from pathlib import Path

import pyte
import pytest

from runbook.tui.dialogs.sheet import DEAF
from tests.nursery import Child, nursery

WITHIN = 60.0
"""Seconds in which everything must have happened."""

PATIENCE = 2.5
"""Seconds that a key gets to have its effect."""

FRESH = DEAF + 0.1
"""Seconds after which a question that is seen takes keys, unless the machine is very busy."""

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
    "pagedown": "\x1b[6~",
    "ctrl+c": "\x03",
    "ctrl+p": "\x10",
    "ctrl+q": "\x11",
    "ctrl+r": "\x12",
    "ctrl+z": "\x1a",
}
"""Names of keys to what an xterm sends for them."""

TERMINAL = {"TERM": "xterm-256color", "COLORTERM": "truecolor"}

# The terminal is to be the controlling one, so that it hangs up and suspends as a real one does.
_TAKE = "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"


# The same for one that is forked: its files become the terminal.
_FORKED = """
import fcntl, os, sys, termios
terminal, code, *arguments = sys.argv[1:]
os.setsid()
opened = os.open(terminal, os.O_RDWR)
fcntl.ioctl(opened, termios.TIOCSCTTY, 0)
for fd in range(3):
    os.dup2(opened, fd)
os.close(opened)
sys.stdin = sys.__stdin__ = open(0)
sys.stdout = sys.__stdout__ = open(1, "w", 1)
sys.stderr = sys.__stderr__ = open(2, "w", 1)
sys.argv = ["runbook", *arguments]
exec(code)
from runbook.__main__ import main
sys.exit(main())
"""

_SCREENS = ("runbook.cli.main", "runbook.cli.screens", "runbook.cli.leaving", "runbook.tui.way_out")
_ROOMS = ("screens.prepare", "screens.run", "screens.review", "dialogs.question", "driver")


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
        self.is_ended = False
        """Nobody has the terminal open any more."""
        self._master, slave = pty.openpty()
        termios.tcsetwinsize(slave, (rows, columns))
        self.before = termios.tcgetattr(slave)
        self.process = self._start(argv, slave, {**TERMINAL, **(env or {})}, cwd)
        os.close(slave)

    def _start(self, argv: list[str], slave: int, env: Mapping[str, str], cwd: str) -> subprocess.Popen[bytes] | Child:
        return subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _TAKE, *argv],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            cwd=cwd,
            env={**os.environ, **env},
            start_new_session=True,
        )

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
            if left <= 0:
                # This process may have slept: what has come meanwhile counts.
                while self.read(0):
                    pass
                return bool(holds(self.text))
            if not self.read(left) and (self.is_ended or not self.is_open):
                return bool(holds(self.text))
        return True

    def read(self, within: float) -> bool:
        """Take what came; False at the end of the terminal or of the time."""
        if not self.is_open or not select.select([self._master], [], [], within)[0]:
            return False
        data = b""
        with suppress(OSError):
            data = os.read(self._master, 65536)
        self.is_ended = not data
        self.raw += data
        self.heard(data)
        self._stream.feed(data)
        return bool(data)

    # --- what is done -------------------------------------------------------------------------------------------

    def rest(self) -> None:
        """Give a fresh question the moment in which it takes no key, rather than find out that it took none."""
        self.comes(lambda _: False, FRESH)

    def press(self, *keys: str) -> None:
        """Press keys: a name of KEYS, or text as it is typed."""
        for key in keys:
            os.write(self._master, KEYS.get(key, key).encode())

    def insist(self, key: str, wanted: str | Callable[[str], object], within: float = WITHIN) -> str:
        """Press a key until it had its effect: a fresh question takes no key in its first moment.

        Nothing is pressed unless the program takes keys: what it has left behind would become text.
        """
        holds = (lambda text: wanted in text) if isinstance(wanted, str) else wanted
        deadline = time.monotonic() + within
        self.rest()
        while time.monotonic() < deadline:
            if self.takes_keys:
                self.press(key)
            if self.comes(holds, PATIENCE):
                return self.text
            if self.process.poll() is not None:
                while self.read(0.05):
                    pass
                if holds(self.text):
                    return self.text
                raise AssertionError(
                    f"the program ended with {self.process.poll()} before {wanted!r} came:\n{self.text}"
                )
        raise AssertionError(f"{key} did not lead to {wanted!r}:\n{self.text}\n{bytes(self.raw[-300:])!r}")

    @property
    def takes_keys(self) -> bool:
        """Whether the terminal hands on each key as it is pressed."""
        return not termios.tcgetattr(self._master)[3] & termios.ICANON

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
        os.kill(self.process.pid, number)

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


class Forked(Tty):
    """Runbook on a terminal, forked from a process that has imported it: each start takes a second less."""

    def __init__(self, *arguments: str, code: str = "", columns: int = 80, rows: int = 24, cwd: str = ".") -> None:
        """Start it; `code` is run in the process before."""
        self._code = code
        super().__init__(list(arguments), columns=columns, rows=rows, cwd=cwd)

    def _start(self, argv: list[str], slave: int, env: Mapping[str, str], cwd: str) -> Child:
        _learnt()
        with pytest.MonkeyPatch.context() as patch:
            for name, value in env.items():
                patch.setenv(name, value)
            child = nursery().start(_FORKED, os.ttyname(slave), self._code, *argv, cwd=Path(cwd))
        # Until it has opened the terminal, nobody else may close it.
        deadline = time.monotonic() + WITHIN
        while self._holder() != child.pid:
            assert child.poll() is None, child.poll()
            assert time.monotonic() < deadline, child.pid
            time.sleep(0.005)
        return child

    def _holder(self) -> int:
        try:
            return os.tcgetpgrp(self._master)
        except OSError:
            return 0


@cache
def _learnt() -> None:
    nursery().learn(*_SCREENS, *(f"runbook.tui.{room}" for room in _ROOMS))
