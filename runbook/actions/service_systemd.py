"""The driver for systemd: `systemctl` of the system or of the login user, and the journal.

Changing commands are as plain as an operator types them, so that narrow sudoers rules match; unit names are checked
before, which makes `--` needless there.
"""

from __future__ import annotations

from typing import ClassVar

from runbook.actions.capture import answer
from runbook.actions.form import script, typed
from runbook.actions.service_driver import UnitState, Verb, number, parse
from runbook.ports.target import Cmd, Reader

_PROPERTIES = (
    "Id,LoadState,ActiveState,SubState,Type,MainPID,InvocationID,NRestarts,Result,ExecMainStatus,Job,NeedDaemonReload,"
    "ExecMainStartTimestamp,ExecMainStartTimestampMonotonic"
)

_AS_USER = r"""
XDG_RUNTIME_DIR=${XDG_RUNTIME_DIR:-/run/user/$(id -u)}
export XDG_RUNTIME_DIR
exec "$@"
"""
# A login over SSH without a session of its own does not say where the user's manager listens.

PRESENT = "command -v systemctl >/dev/null && [ -d /run/systemd/system ]"
"""Shell condition: systemd runs this host (sd_booted(3))."""


class Systemd:
    """Asks systemd about one unit."""

    name: ClassVar[str] = "systemd"
    bears_grudges: ClassVar[bool] = True

    def __init__(self, unit: str, *, user: bool, sudo: bool, timeout: float) -> None:
        self._unit = unit
        self._user = user
        self._sudo = sudo
        self._timeout = timeout

    def show(self, t: Reader) -> UnitState:
        """Return the state of the unit. Reading needs no sudo."""
        words = (*self._ctl(), "--no-pager", "show", "-p", _PROPERTIES, "--", self._unit)
        got = answer(t, Cmd(self._argv(words), timeout=self._timeout, env={"LC_ALL": "C"}))
        return read_show(parse(got, self._unit, t.host.name), self._unit)

    def command(self, verb: Verb) -> Cmd:
        """Return `systemctl VERB UNIT`, which waits for the job."""
        return Cmd(self._argv((*self._ctl(), verb, self._unit)), timeout=self._timeout, sudo=self._sudo)

    def typed(self, verb: Verb) -> str:
        """Return the command as an operator would type it."""
        return typed((*self._ctl(), verb, self._unit), sudo=self._sudo)

    def logs(self, lines: int) -> Cmd:
        """Return `journalctl -u UNIT`."""
        words = ("journalctl", "--user-unit" if self._user else "-u", self._unit)
        argv = self._argv((*words, "-n", str(lines), "--no-pager", "-o", "cat"))
        return Cmd(argv, timeout=self._timeout, sudo=self._sudo)

    def _ctl(self) -> tuple[str, ...]:
        return ("systemctl", "--user") if self._user else ("systemctl",)

    def _argv(self, words: tuple[str, ...]) -> tuple[str, ...]:
        return script(_AS_USER, *words) if self._user else words


def read_show(pairs: dict[str, str], unit: str) -> UnitState:
    """Return the state that `systemctl show` describes.

    systemd before 232 knows no InvocationID, and before 235 no NRestarts: there a start is told by process and time.
    """
    pid, started = number(pairs, "MainPID"), pairs.get("ExecMainStartTimestampMonotonic", "")
    return UnitState(
        id=pairs.get("Id", unit),
        load=pairs.get("LoadState", ""),
        active=pairs["ActiveState"],
        sub=pairs.get("SubState", ""),
        main_pid=pid,
        invocation=pairs.get("InvocationID") or (f"{pid}@{started}" if pid else ""),
        restarts=number(pairs, "NRestarts"),
        since=pairs.get("ExecMainStartTimestamp", ""),
        result=pairs.get("Result", ""),
        exit_status=number(pairs, "ExecMainStatus"),
        type=pairs.get("Type", ""),
        job=number(pairs, "Job"),
        stale=pairs.get("NeedDaemonReload") == "yes",
    )
