"""What a service manager must offer, and how the state of a unit is read from its `Key=Value` lines.

Owns the state of a unit and the protocol of the drivers; which one serves a step is decided in `service_choice`.
"""

from __future__ import annotations

import re
from typing import Literal, Protocol, TypeAlias

from msgspec import Struct

from runbook.actions.capture import Captured
from runbook.errors import ActionError
from runbook.ports.target import Cmd, Reader
from runbook.text import one_line

Verb: TypeAlias = Literal["start", "stop", "restart", "reset-failed"]

_UNIT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9:_.@\\-]{0,254}")
_PAIR = re.compile(r"([A-Za-z]+)=(.*)")


class UnitState(Struct, frozen=True):
    """A unit as its manager describes it, in the words of systemctl(1)."""

    id: str
    load: str
    """`loaded`, `not-found`, `masked`, `bad-setting`, `error`."""
    active: str
    """`active`, `inactive`, `failed`, `activating`, `deactivating`, `reloading`."""
    sub: str
    main_pid: int = 0
    invocation: str = ""
    """Another one after every start."""
    restarts: int = 0
    """How often the manager has restarted it by itself since somebody started it."""
    since: str = ""
    """When it was started, as the manager writes it."""
    result: str = ""
    exit_status: int = 0
    type: str = ""
    job: int = 0
    """A start or stop that the manager still has to do; 0: none."""
    stale: bool = False
    """The unit file was changed and not loaded again."""

    @property
    def is_up(self) -> bool:
        """It is there, at this moment; says nothing about the next one."""
        if self.active != "active":
            return False
        return self.sub == "running" or not self._is_service or (self.sub == "exited" and self.type == "oneshot")

    @property
    def is_down(self) -> bool:
        """It is not there, and its manager does not try to change that."""
        return self.active in {"inactive", "failed"} and self.job == 0

    @property
    def _is_service(self) -> bool:
        return self.id.endswith(".service") or "." not in self.id

    def same_life(self, other: UnitState) -> bool:
        """Tell whether it is the process of the other look, uninterrupted."""
        mine = (self.invocation, self.main_pid, self.restarts)
        return mine == (other.invocation, other.main_pid, other.restarts)

    def line(self) -> str:
        """Return what matters on one line."""
        words = [f"{self.id}: {self.active} ({self.sub})"]
        words += [f"process {self.main_pid}"] if self.main_pid else []
        words += [f"restarted by itself {self.restarts} times"] if self.restarts else []
        if self.result not in {"", "success"}:
            words.append(f"result {self.result}, exit status {self.exit_status}")
        return one_line(", ".join(words), 300)


class Driver(Protocol):
    """One kind of service manager."""

    @property
    def name(self) -> str:
        """The word of the playbook for it."""

    @property
    def bears_grudges(self) -> bool:
        """It refuses to start a unit that has failed too often, until it is told to forget that (`reset-failed`)."""

    def show(self, t: Reader) -> UnitState:
        """Return the state of the unit now.

        Raises ActionError if the manager cannot be asked, TransportError if the target does not answer.
        """

    def command(self, verb: Verb) -> Cmd:
        """Return the command that does it and waits until it is done."""

    def typed(self, verb: Verb) -> str:
        """Return that command as an operator would type it."""

    def logs(self, lines: int) -> Cmd:
        """Return the command that shows the last lines of its log."""


def parse(got: Captured, unit: str, host: str) -> dict[str, str]:
    """Return the pairs of `Key=Value` lines; lines of another form are left out.

    Raises ActionError if there is no state in it.
    """
    matches = (_PAIR.fullmatch(line.rstrip("\r")) for line in got.out.split("\n"))
    pairs = {match[1]: match[2] for match in matches if match}
    if got.exit != 0 or "ActiveState" not in pairs:
        raise ActionError(f"cannot ask for the state of {unit}: {got.why}", where=host)
    return pairs


def number(pairs: dict[str, str], key: str) -> int:
    """Return a number; 0 if it is missing or not set."""
    value = pairs.get(key, "")
    return int(value) if value.isascii() and value.isdecimal() else 0


def is_unit(name: str) -> bool:
    """Tell whether this can name one unit: no pattern, no path, no option (systemd.unit(5))."""
    return _UNIT.fullmatch(name) is not None
