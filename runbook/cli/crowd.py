"""Many hosts in few lines: what is the same on several of them is told once, with their names.

Owns the words for a crowd of hosts, and the gathering of lines while a run goes on. How one line looks belongs to
`printer`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence

from msgspec import Struct

from runbook.cli.style import broken, place
from runbook.text import duration_text, one_line
from runbook.text.hostlist import collapsed, sorted_names

MANY = 8
"""From more hosts than these on, a run is told by the step instead of by the host."""

ROOM = 46
"""Columns of names within a line."""

PATIENCE = 2.0
"""Seconds after which what was gathered is told, so that a slow step shows how far it is."""


def on_hosts(targets: Sequence[str]) -> str:
    """Return places as a part of a sentence: their names, or how many they are if that is too long."""
    if len(targets) == 1:
        return place(targets[0])
    names = _names(targets)
    return f" on {names}" if len(names) <= ROOM else f" on {len(targets)} hosts"


def all_names(targets: Sequence[str], width: int = 80, indent: str = "    ") -> list[str]:
    """Return the names in lines of their own where `on_hosts` only counts them."""
    if len(targets) == 1 or len(_names(targets)) <= ROOM:
        return []
    return broken(f"{indent}{_names(targets)}", width, rest=indent)


def _names(targets: Iterable[str]) -> str:
    return collapsed(one_line(name, 100) for name in sorted_names(targets))


class Line(Struct, frozen=True):
    """What is told of a step, but for the place and the time."""

    status: str
    step: str
    tail: str = ""
    """Stands behind place and time."""
    timed: bool = False


class Crowd:
    """Gathers lines that differ in the host alone."""

    def __init__(self, tell: Callable[[str, str], None], now: Callable[[], float] = time.monotonic) -> None:
        """Tell by `tell`, which takes a status and a text."""
        self._tell = tell
        self._now = now
        self._gathered: dict[Line, dict[str, int]] = {}
        self._since = 0.0

    def add(self, line: Line, target: str, ms: int = 0) -> None:
        """Take a line for one host; it is told with those of the other hosts."""
        if self._gathered and (
            self._now() - self._since > PATIENCE or any(each.step != line.step for each in self._gathered)
        ):
            self.flush()
        if not self._gathered:
            self._since = self._now()
        for other, hosts in self._gathered.items():
            if other.status in ("running", "undoing") and line.status != other.status:
                # It has come to its end before anybody was told that it began.
                hosts.pop(target, None)
        self._gathered.setdefault(line, {})[target] = ms

    def flush(self) -> None:
        """Tell what was gathered."""
        gathered, self._gathered = self._gathered, {}
        for line, hosts in gathered.items():
            if hosts:
                self._tell(line.status, f"{line.step}{on_hosts(list(hosts))}{_took(line, hosts)}{line.tail}")


def _took(line: Line, hosts: dict[str, int]) -> str:
    if not line.timed:
        return ""
    low, high = (duration_text(ms / 1000) for ms in (min(hosts.values()), max(hosts.values())))
    return f"  {low}" if low == high else f"  {low} to {high}"
