"""What a row of the comparison is: one piece of work, who does it, and which ratio is the goal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from msgspec import Struct

from bench.measure import Command

PYTHON = sys.executable
BENCH = Path(__file__).parent

NAMES = {
    "runbook": "Runbook",
    "floor": "floor",
    "chaos": "Chaos Toolkit",
    "openssh": "OpenSSH",
    "fabric": "Fabric",
    "pyinfra": "pyinfra",
    "ansible": "Ansible",
}
"""Everybody who is measured, by the short name, as people write it."""


class Goal(Struct, frozen=True):
    """The largest ratio to somebody that is still good."""

    limit: float
    against: str

    @property
    def words(self) -> str:
        """The goal as people write it."""
        whom = NAMES[self.against]
        return f"ahead of {whom}" if self.limit == 1 else f"≤ {self.limit:g} × {whom}"


class Row(Struct, frozen=True):
    """One line of the comparison."""

    name: str
    commands: Mapping[str, Command]
    """`runbook` first, then whoever does the same work."""
    floor_words: str
    goals: tuple[Goal, ...] = ()
    rounds: int = 15
    around: Callable[[], AbstractContextManager[object]] = nullcontext
    """The world in which they all run."""


def runbook(*arguments: str) -> Command:
    """Return one call of Runbook, by the command that an installation makes."""
    return Command((str(Path(PYTHON).parent / "runbook"), *arguments))
