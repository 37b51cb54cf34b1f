"""The pager of the user, in place of the screens until it is left."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from textual.app import App, SuspendNotSupported

from runbook.text import one_line
from runbook.tui.driver import can_come_back

LINE = 300

STOPS = 1.0
"""Seconds that a pager gets to stop at Ctrl+Z."""


def pager_of(environment: Mapping[str, str] = os.environ) -> list[str]:
    """Return the command of the user's pager; `less` if none is named."""
    try:
        return shlex.split(environment.get("PAGER", "")) or ["less"]
    except ValueError:
        return ["less"]


def show_in_pager(app: App[int], path: Path) -> None:
    """Give the terminal to the pager until it ends; raises nothing, says what went wrong."""
    try:
        # No exception may cross this block: the terminal would not be taken back.
        with app.suspend():
            fault = _page([*pager_of(), str(path)])
    except SuspendNotSupported as error:
        fault = str(error)
    if fault:
        told = one_line(f"The pager did not show it: {fault}. Set PAGER to one that does.", LINE)
        app.notify(told, severity="error", markup=False)


def _page(argv: list[str]) -> str:
    """Run the pager; return what went wrong, empty if nothing did."""
    # LESSSECURE: no shell and no editor out of what a host has written.
    environment = os.environ | {"LESSSECURE": "1"}
    try:
        with _Keys() as keys, subprocess.Popen(argv, env=environment) as process:
            keys.take(process)
            code = process.wait()
    except OSError as error:
        return f"{argv[0]}: {error.strerror or error}"
    except ValueError as error:
        return f"{argv[0]!r}: {error}"
    return f"{argv[0]} ended with exit {code}" if code > 0 else ""


class _Keys:
    """Leaves the keys of the terminal to the pager; what ends this process ends the pager first."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._wakes = -1
        self._before: dict[int, Any] = {}
        self._held: list[int] = []
        """Signals that are acted on when the pager is gone."""

    def __enter__(self) -> Self:
        # The loop must not hear of Ctrl-C later. Not ignored: that would be handed down to the pager.
        self._wakes = signal.set_wakeup_fd(-1)
        for number in (signal.SIGINT, signal.SIGQUIT):
            self._before[number] = signal.signal(number, lambda *_: None)
        for number in (signal.SIGTERM, signal.SIGHUP):
            self._before[number] = signal.signal(number, self._end)
        self._before[signal.SIGTSTP] = signal.signal(signal.SIGTSTP, self._stop)
        return self

    def __exit__(self, *_: object) -> None:
        signal.set_wakeup_fd(self._wakes)
        for number, act in self._before.items():
            signal.signal(number, act)
        for number in self._held:
            os.kill(os.getpid(), number)

    def take(self, process: subprocess.Popen[bytes]) -> None:
        """Know the pager."""
        self._process = process
        if self._held:
            process.terminate()

    def _end(self, number: int, _frame: object) -> None:
        self._held.append(number)
        if self._process is not None:
            self._process.terminate()

    def _stop(self, *_: object) -> None:
        # Together or not at all: `less` that runs no shell does not stop either.
        if self._process is not None and _has_stopped(self._process.pid) and can_come_back():
            os.kill(os.getpid(), signal.SIGSTOP)


def _has_stopped(pid: int) -> bool:
    """Tell whether a pager stops within a moment."""
    deadline = time.monotonic() + STOPS
    seen = os.WSTOPPED | os.WEXITED | os.WNOWAIT | os.WNOHANG
    while time.monotonic() < deadline:
        found = os.waitid(os.P_PID, pid, seen)
        if found is not None:
            return found.si_code == os.CLD_STOPPED
        time.sleep(0.01)
    return False
