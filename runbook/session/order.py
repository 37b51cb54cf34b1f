"""What an operator orders: the playbook and everything that was said about it on the way in."""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct

from runbook.model.scalar import Json


class Order(Struct, frozen=True, kw_only=True):
    """One order for a run, as a command line or a form gives it."""

    playbook: str
    """An id or a path."""
    values: dict[str, str] = {}
    """`--set`, as text."""
    vars_files: tuple[Path, ...] = ()
    answers: Path | None = None
    inventory: Path | None = None
    limit: str = ""
    parallel: int = 0
    """The most hosts at once; 0: as the playbook says, which this never exceeds."""
    approvals: tuple[str, ...] = ()
    """Steps and stages whose `approve: operator` is given beforehand."""
    on_failure: str = ""
    """stop or undo: what `ask` is answered with."""
    incident: str = ""
    guided: bool = False
    take_over: str = ""
    """Reason to take over leases of another run."""


class Adhoc(Struct, frozen=True, kw_only=True):
    """One recorded ad-hoc command."""

    argv: tuple[str, ...]
    on: str = "local"
    """A pattern of targets."""
    effect: str = "read"
    timeout: float = 60.0
    sudo: bool = False
    inventory: Path | None = None
    limit: str = ""
    incident: str = ""
    options: dict[str, Json] = {}
