"""The one line about the outcome, the same on the command line and at the top of the report. Pure.

Counts steps and changes, and says how many changes are not known to be good. Holds nothing from outside: only
numbers and the words of statuses.
"""

from __future__ import annotations

from collections import Counter

from runbook.events.outcome import came_to, outcome_word
from runbook.events.state import Place, RunState
from runbook.events.status import RunStatus, Status
from runbook.report.word import words
from runbook.text import counted

_UNUSUAL: tuple[Status, ...] = (
    "in_doubt",
    "undo_failed",
    "failed",
    "timed_out",
    "cancelled",
    "unreachable",
    "refused",
    "undone",
    "skipped",
)


def outcome_sentence(state: RunState, *, status: RunStatus | None = None) -> str:
    """Return one line such as "succeeded: 4 steps, 2 changes, 0 left unverified".

    Args:
        state: any state, of a live run too.
        status: the word to begin with, if a caller knows better than the journal.
    """
    if not state.facts:
        return "nothing is on record"
    word = outcome_word(state, status=status or "")
    ran = {step for (step, target), at in state.steps.items() if _began(came_to(at)) and not target.startswith("#")}
    changed = {(step, target) for step, target, _ in state.changes}
    parts = [
        counted(len(ran), "step"),
        counted(len(changed), "change"),
        f"{len(left_unverified(state))} left unverified",
        *_unusual(state),
    ]
    return f"{word}: {', '.join(parts)}{'; deviated from the playbook' if state.deviated else ''}"


def left_unverified(state: RunState) -> tuple[Place, ...]:
    """Return where a change is not undone and not known to be good, the latest first.

    A change without a way back is one of these after an undo too: passing it by has not made it good.
    """
    passed_by = [
        place
        for place, at in state.steps.items()
        if any(a.may_have_changed and a.undone is not None and a.undone.status == "none" for a in at.attempts)
    ]
    standing = [(step, target) for step, target, _ in reversed(state.standing)]
    return tuple(place for place in dict.fromkeys([*standing, *passed_by]) if not state.at(*place).verified)


def _unusual(state: RunState) -> list[str]:
    """Return counts of what did not go the plain way; places, not steps, because hosts differ."""
    counts = Counter(came_to(at) for at in state.steps.values())
    parts = [f"{counts[status]} {words(status)}" for status in _UNUSUAL if counts[status]]
    by_hand = sum(1 for at in state.steps.values() if at.by_hand and at.status == "succeeded")
    return [*parts, f"{by_hand} marked done by hand"] if by_hand else parts


def _began(status: str) -> bool:
    return status not in ("pending", "waiting", "skipped")
