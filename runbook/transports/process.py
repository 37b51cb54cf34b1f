"""Processes of this machine: finding and ending everything that a job or a read started.

Owns identity (process id and start time, so that a reused id is no match), the search by session, by ancestry and by
the cookie in the environment, and the ending with a look afterwards. `/proc` is read directly; where there is none
(macOS) psutil and ps serve, loaded when needed.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress

from msgspec import Struct

from runbook.ports.target import Dead, NotConfirmed
from runbook.transports.wrapper import COOKIE

GRACE = 2.0
"""Seconds between TERM and KILL."""

_LAST = 1.0  # seconds between the first KILL and the verdict


class Process(Struct, frozen=True):
    """One living process; zombies do not live."""

    pid: int
    parent: int
    session: int
    start: str
    """Start time in a unit of the system's own; only good for comparing."""

    def command(self) -> str:
        """Return its command line in one line, cut to a bearable length; empty if it is gone."""
        with suppress(OSError):
            if os.path.isdir("/proc/self"):
                return _read(f"/proc/{self.pid}/cmdline").replace(b"\0", b" ").decode("utf-8", "replace").strip()[:200]
            return _ps(self.pid, "args=")[:200]
        return ""

    def line(self) -> str:
        """Return the process as evidence: id and command."""
        return f"{self.pid} {self.command()}".strip()


def boot_id() -> str:
    """Return a word that changes with every start of this machine; empty if there is none."""
    with suppress(OSError):
        return _read("/proc/sys/kernel/random/boot_id").decode().strip()
    import subprocess

    with suppress(OSError):
        return subprocess.run(
            ("sysctl", "-n", "kern.bootsessionuuid"), capture_output=True, text=True, check=False
        ).stdout.strip()
    return ""


def find(pid: int) -> Process | None:
    """Return the living process of this id."""
    if os.path.isdir("/proc/self"):
        return _from_proc(pid)
    start = "_".join(_ps(pid, "lstart=").split())
    return Process(pid, 0, 0, start) if start else None


def lives(pid: int, start: str) -> bool:
    """Tell whether the process that had this id and start time still lives."""
    process = find(pid)
    return process is not None and process.start == start


class Family:
    """Everything that one job or read started, as far as it can be found."""

    def __init__(
        self,
        *,
        session: int = 0,
        cookies: Iterable[str] = (),
        spare: Iterable[int] = (),
        helpers: Iterable[int] = (),
        sudo: bool = False,
    ) -> None:
        """Say by what its members are known.

        Args:
            session: a session that holds nobody else; 0: none.
            cookies: values of RUNBOOK_JOB in the environment of its members.
            spare: ids that are left alone and not counted.
            helpers: the same, with their children.
            sudo: members may belong to root, and sudo may end them.
        """
        self._session = session
        self._cookies = {os.fsencode(f"{COOKIE}={cookie}") for cookie in cookies}
        self._helpers = {*helpers}
        self._spare = {*spare, *self._helpers, os.getpid()}
        self._sudo = sudo
        self._known: dict[int, str] = {}
        self._told: list[str] = []

    def living(self) -> list[Process]:
        """Look for all members that live, including children of members found by an earlier look."""
        table = {
            process.pid: process
            for process in _all()
            if process.pid not in self._spare and process.parent not in self._helpers
        }
        members = {
            pid: process
            for pid, process in table.items()
            if (self._session and process.session == self._session)
            or self._known.get(pid) == process.start
            or (self._cookies and not self._cookies.isdisjoint(_environment(pid)))
        }
        grown = True
        while grown:
            children = {p: one for p, one in table.items() if one.parent in members and p not in members}
            members.update(children)
            grown = bool(children)
        self._known.update((process.pid, process.start) for process in members.values())
        return list(members.values())

    def end(self, wait: Callable[[float], None] = time.sleep, *, grace: float = GRACE) -> Dead | NotConfirmed:
        """End all members: TERM, `grace` seconds, KILL, and look again; `wait` passes some seconds in between."""
        left = self._signal("TERM", self.living())
        deadline = time.monotonic() + grace
        pause = 0.005
        while left and time.monotonic() < deadline:
            wait(pause)
            pause = min(pause * 2, 0.05)
            left = self.living()
        deadline = time.monotonic() + _LAST
        while left and time.monotonic() < deadline:
            self._signal("KILL", left)
            wait(0.02)
            left = self.living()
        told = tuple(dict.fromkeys(self._told))
        if left:
            return NotConfirmed((*told, *(f"still lives: {process.line()}" for process in left)))
        return Dead((*told, "looked again: nothing of it lives"))

    def _signal(self, name: str, members: list[Process]) -> list[Process]:
        refused: list[Process] = []
        for process in members:
            self._told.append(f"sent {name} to {process.line()}")
            try:
                _send(process, signal.Signals[f"SIG{name}"])
            except PermissionError:
                refused.append(process)
        if refused and self._sudo:
            import subprocess

            ids = [str(process.pid) for process in refused]
            with suppress(OSError, subprocess.TimeoutExpired):
                subprocess.run(("sudo", "-n", "kill", f"-{name}", *ids), capture_output=True, timeout=5, check=False)
        elif refused:
            self._told.extend(f"may not end {process.line()}: it belongs to another user" for process in refused)
        return members


def _send(process: Process, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        if sys.platform == "linux":
            # The descriptor pins the process: between the look and the signal its id cannot pass to another.
            descriptor = os.pidfd_open(process.pid)
            try:
                if lives(process.pid, process.start):
                    signal.pidfd_send_signal(descriptor, number)
            finally:
                os.close(descriptor)
        elif lives(process.pid, process.start):
            os.kill(process.pid, number)


def _all() -> Iterable[Process]:
    if not os.path.isdir("/proc/self"):
        yield from _from_psutil()
        return
    for name in os.listdir("/proc"):
        if name.isdigit():
            process = _from_proc(int(name))
            if process is not None:
                yield process


def _from_proc(pid: int) -> Process | None:
    # proc(5): the name in parentheses may hold anything, so fields are counted from the last one.
    with suppress(OSError):
        fields = _read(f"/proc/{pid}/stat").rpartition(b")")[2].split()
        if len(fields) > 19 and fields[0] not in {b"Z", b"X", b"x"}:
            return Process(pid, int(fields[1]), int(fields[3]), fields[19].decode())
    return None


def _from_psutil() -> Iterable[Process]:
    import psutil

    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.status() != psutil.STATUS_ZOMBIE:
                start = "_".join(_ps(process.pid, "lstart=").split())
                yield Process(process.pid, process.ppid(), os.getsid(process.pid), start)


def _environment(pid: int) -> list[bytes]:
    if os.path.isdir("/proc/self"):
        with suppress(OSError):
            return _read(f"/proc/{pid}/environ").split(b"\0")
        return []
    import psutil

    with suppress(psutil.Error, OSError):
        return [f"{name}={value}".encode() for name, value in psutil.Process(pid).environ().items()]
    return []


def _ps(pid: int, column: str) -> str:
    import subprocess

    argv = ("ps", "-o", column, "-p", str(pid))
    with suppress(OSError):
        env = {**os.environ, "LC_ALL": "C"}
        return subprocess.run(argv, env=env, capture_output=True, text=True, check=False).stdout.strip()
    return ""


def _read(path: str) -> bytes:
    with open(path, "rb", buffering=0) as file:
        return b"".join(iter(lambda: file.read(65536), b""))
