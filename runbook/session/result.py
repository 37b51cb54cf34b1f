"""How a session of a run ended, for front ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from runbook.events.state import RunState
from runbook.events.status import RunStatus
from runbook.model.plan import Plan

if TYPE_CHECKING:
    from runbook.session.unattended import Missing

CLOSED: frozenset[RunStatus] = frozenset({"succeeded", "undone"})
"""A run in one of these is over: there is nothing to resume."""


def standing(count: int) -> str:
    """Say how many changes were left as they are and could be undone."""
    return f"{count} change stands" if count == 1 else f"{count} changes stand"


class Held(Struct, frozen=True):
    """Who holds a target, so that the run was refused."""

    run: str
    told: str
    free: bool
    """A reason takes it over: no job of that run lives there."""


class Result(Struct, frozen=True, kw_only=True):
    """How a session of a run ended."""

    run: str
    playbook: str
    status: RunStatus
    state: RunState
    plan: Plan
    why: str = ""
    started: str = ""
    missing: tuple[Missing, ...] = ()
    held: Held | None = None

    @property
    def pending_undo(self) -> int:
        """How many changes are left to be undone, if the run did not succeed."""
        return 0 if self.status == "succeeded" else self.state.undo_open
