"""The driver for supervised processes: a control program that speaks as `systemctl` does.

`CONTROL show UNIT` prints `Key=Value` lines (Id, LoadState, ActiveState, SubState, MainPID, StartedAt in microseconds
since 1970, NRestarts, InvocationID, Result, ExecMainStatus); `CONTROL start|stop|restart UNIT` comes back when it is
done; `CONTROL logs UNIT -n N` prints the end of the log.
"""

from __future__ import annotations

from typing import ClassVar

from runbook.actions.capture import answer
from runbook.actions.form import typed
from runbook.actions.service_driver import UnitState, Verb, number, parse
from runbook.ports.target import Cmd, Reader


class Supervised:
    """Asks a control program about one unit."""

    name: ClassVar[str] = "supervised"
    bears_grudges: ClassVar[bool] = False

    def __init__(self, unit: str, *, control: str, sudo: bool, timeout: float) -> None:
        self._unit = unit
        self._control = control
        self._sudo = sudo
        self._timeout = timeout

    def show(self, t: Reader) -> UnitState:
        """Return the state of the unit."""
        pairs = parse(answer(t, self._cmd("show", self._unit)), self._unit, t.host.name)
        return UnitState(
            id=pairs.get("Id", self._unit),
            load=pairs.get("LoadState", ""),
            active=pairs["ActiveState"],
            sub=pairs.get("SubState", ""),
            main_pid=number(pairs, "MainPID"),
            invocation=pairs.get("InvocationID", ""),
            restarts=number(pairs, "NRestarts"),
            since=pairs.get("StartedAt", ""),
            result=pairs.get("Result", ""),
            exit_status=number(pairs, "ExecMainStatus"),
        )

    def command(self, verb: Verb) -> Cmd:
        """Return `CONTROL VERB UNIT`."""
        return self._cmd(verb, self._unit)

    def typed(self, verb: Verb) -> str:
        """Return the command as an operator would type it."""
        return typed((self._control, verb, self._unit), sudo=self._sudo)

    def logs(self, lines: int) -> Cmd:
        """Return `CONTROL logs UNIT -n N`."""
        return self._cmd("logs", self._unit, "-n", str(lines))

    def _cmd(self, *words: str) -> Cmd:
        return Cmd((self._control, *words), timeout=self._timeout, sudo=self._sudo)
