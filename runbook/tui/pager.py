"""The pager of the user, in place of the screens until it is left."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

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
        with subprocess.Popen(argv, env=environment) as process, _deaf(process):
            code = process.wait()
    except OSError as error:
        return f"{argv[0]}: {error.strerror or error}"
    except ValueError as error:
        return f"{argv[0]!r}: {error}"
    return f"{argv[0]} ended with exit {code}" if code > 0 else ""


@contextmanager
def _deaf(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Leave the keys of the terminal to the pager; what ends this process ends the pager first.

    The loop hears of these signals besides, by its own pipe, and acts on them as soon as the pager is gone.
    """

    def end(*_: object) -> None:
        process.terminate()

    def leave(*_: object) -> None:
        pass

    def stop(*_: object) -> None:
        # Together or not at all: `less` that runs no shell does not stop either.
        if _has_stopped(process.pid) and can_come_back():
            os.kill(os.getpid(), signal.SIGSTOP)

    # Not ignored: that would be handed down to a pager.
    taken = {
        signal.SIGINT: leave,
        signal.SIGQUIT: leave,
        signal.SIGTERM: end,
        signal.SIGHUP: end,
        signal.SIGTSTP: stop,
    }
    before = {number: signal.signal(number, act) for number, act in taken.items()}
    try:
        yield
    finally:
        for number, act in before.items():
            signal.signal(number, act)


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
