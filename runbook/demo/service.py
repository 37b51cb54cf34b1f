"""One supervised process: its start, its end and everything between, as a state machine.

Owns the process, its log file and its figures; the supervisor owns time and asks each service to move on. Words and
meanings follow systemd (org.freedesktop.systemd1(5), systemd.service(5)), so that one reader serves both.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import subprocess
import time
from pathlib import Path
from typing import Literal

from runbook.demo import tree
from runbook.demo.unit import Unit, read_unit
from runbook.errors import RunbookError

MARK = "INVOCATION_ID"
_GIVE_UP = 5.0
_LOOK_EVERY = 0.02
_LOOK_SELDOM = 1.0

Active = Literal["inactive", "activating", "active", "deactivating", "failed"]


class Service:
    """A unit and the process that runs for it."""

    def __init__(self, name: str, file: Path, log: Path, lifeline: int) -> None:
        self.name = name
        self.state: Active = "inactive"
        self.sub_state = "dead"
        self.error = ""
        """Why it is not up or not down; empty if there is nothing to say."""
        self._file = file
        self._log = log
        self._lifeline = lifeline
        self._unit: Unit | None = None
        self._child: subprocess.Popen[bytes] | None = None
        self._pid = 0
        self._invocation = ""
        self._started_at = 0
        self._restarts = 0
        self._result = "success"
        self._status = 0
        self._asked_to_stop = False
        self._start_again = False
        self._kill_at = 0.0
        self._restart_at: float | None = None

    @property
    def is_up(self) -> bool:
        return self.state == "active"

    @property
    def is_down(self) -> bool:
        return self.state in ("inactive", "failed")

    @property
    def is_stuck(self) -> bool:
        """Whether processes outlived even SIGKILL."""
        return self.state == "deactivating" and time.monotonic() > self._kill_at + _GIVE_UP

    def wake_in(self) -> float | None:
        """Seconds until it wants to move on; None if only its process can move it."""
        if self.state == "deactivating":
            return _LOOK_SELDOM if self.is_stuck else _LOOK_EVERY
        if self._restart_at is not None:
            return max(0.0, self._restart_at - time.monotonic())
        return None

    def show(self) -> str:
        """Write its figures as `Key=Value` lines."""
        figures = {
            "Id": self.name,
            "LoadState": "loaded" if self._file.exists() else "not-found",
            "ActiveState": self.state,
            "SubState": self.sub_state,
            "MainPID": self._child.pid if self._child else 0,
            "StartedAt": self._started_at,
            "NRestarts": self._restarts,
            "InvocationID": self._invocation,
            "Result": self._result,
            "ExecMainStatus": self._status,
        }
        return "".join(f"{key}={value}\n" for key, value in figures.items())

    def start(self) -> None:
        """Have it up: at once, or as soon as what still runs of it is gone."""
        if self.state == "deactivating":
            self._start_again = True
        elif not self.is_up:
            self._restarts = 0
            self._spawn()

    def stop(self) -> None:
        """Have it down: SIGTERM, then SIGKILL to whatever is left of its tree when its grace is over."""
        self._start_again = False
        self._restart_at = None
        if self._child is not None and self.state == "active":
            self._asked_to_stop = True
            self._wind_down("stop-sigterm", self._unit.stop_grace if self._unit else 0.0)
            self._signal_group(signal.SIGTERM)
        elif self.state == "deactivating":
            self._asked_to_stop = True
        elif self.state == "activating":
            self.state, self.sub_state = "inactive", "dead"

    def restart(self) -> None:
        """Stop it and start it again."""
        self.stop()
        self.start()

    def move_on(self) -> None:
        """Look at the process and the clock, and do what is due."""
        now = time.monotonic()
        if self._restart_at is not None and now >= self._restart_at:
            self._restarts += 1
            self._spawn()
        if self._child is not None and (code := self._child.poll()) is not None:
            self._note_exit(code)
        if self.state == "deactivating" and (self._child is None or now >= self._kill_at):
            self._clear(now)

    def _spawn(self) -> None:
        self._restart_at, self._start_again, self._asked_to_stop, self.error = None, False, False, ""
        self._invocation = secrets.token_hex(16)
        try:
            self._unit = unit = read_unit(self._file)
            with self._log.open("ab") as log:
                self._child = subprocess.Popen(
                    unit.argv,
                    cwd=unit.cwd or None,
                    env={**os.environ, **unit.env, MARK: self._invocation},
                    stdin=self._lifeline,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    preexec_fn=tree.die_with_parent(),  # noqa: PLW1509 (the supervisor has one thread)
                )
        except (OSError, ValueError, RunbookError, subprocess.SubprocessError) as error:
            self.state, self.sub_state, self._result, self._status = "failed", "failed", "resources", 203
            self.error = f"{self.name} cannot be started: {error}"
            return
        self._pid = self._child.pid
        self._started_at = time.time_ns() // 1000
        self._result, self._status = "success", 0
        self.state, self.sub_state = "active", "running"

    def _note_exit(self, code: int) -> None:
        self._child = None
        self._status = code if code >= 0 else -code
        clean = code in (0, -signal.SIGTERM)
        if not clean and not (self._asked_to_stop and self._result == "timeout"):
            self._result = "exit-code" if code > 0 else "signal"
        if self.state == "active":
            self._wind_down("final-sigkill", 0.0)

    def _wind_down(self, sub_state: str, grace: float) -> None:
        self.state, self.sub_state = "deactivating", sub_state
        self._kill_at = time.monotonic() + grace

    def _clear(self, now: float) -> None:
        """Kill what is left when its time is up; when nothing is left, decide what comes next."""
        left = tree.members((MARK, self._invocation), self._pid)
        if left or self._child is not None:
            if now >= self._kill_at:
                if self._asked_to_stop:
                    self._result = "timeout"
                self.sub_state = "stop-sigkill"
                tree.send(left, signal.SIGKILL)
            if self.is_stuck:
                self.error = f"{self.name} is not dead: {', '.join(str(process.pid) for process in left)}"
            return
        self._settle()

    def _settle(self) -> None:
        policy = self._unit.restart if self._unit else "no"
        crashed = self._result != "success"
        if self._start_again:
            self._restarts = 0
            self._spawn()
        elif not self._asked_to_stop and (policy == "always" or (policy == "on-failure" and crashed)):
            self._come_back()
        elif crashed:
            self.state, self.sub_state = "failed", "failed"
            self.error = f"{self.name} ended: {self._result}, status {self._status}"
        else:
            self.state, self.sub_state = "inactive", "dead"

    def _come_back(self) -> None:
        """Start it again in a while, unless that was done too often since somebody asked for its start."""
        unit = self._unit or Unit(argv=())
        if unit.start_limit and self._restarts >= unit.start_limit:
            self.state, self.sub_state, self._result = "failed", "failed", "start-limit-hit"
            self.error = f"{self.name} ended {self._restarts + 1} times, status {self._status}: it is given up"
            return
        self.state, self.sub_state = "activating", "auto-restart"
        self._restart_at = time.monotonic() + unit.restart_delay

    def _signal_group(self, number: signal.Signals) -> None:
        # It may have ended just now, not yet reaped; macOS refuses a group of zombies.
        with contextlib.suppress(OSError):
            os.killpg(self._pid, number)
