"""How a run ended, in a word or few: the same on the command line, on the screens and in the report. Pure."""

from __future__ import annotations

from runbook.events.fact import StepFinished
from runbook.events.state import RunState, StepState
from runbook.events.status import BAD, Status
from runbook.text.mark import status_word


def outcome_word(state: RunState, *, status: str = "") -> str:
    """Return the word of a status; of a run of which only a part was led back, how much.

    Args:
        state: of the run.
        status: how it ended, if a caller knows better than the journal.
    """
    undone, every = state.undone_of
    if (status or state.status) == "undone" and undone < every:
        return f"{undone} of {every} change{'' if every == 1 else 's'} undone"
    return status_word(status or state.status)


def last_word(step: StepState) -> StepFinished | None:
    """Return how the latest try of a step ended, where it was to be tried again and nothing came of that."""
    last = step.attempt
    if step.status != "pending" or last is None or last.undone is not None or last.finished is None:
        return None
    return last.finished if last.finished.status in BAD else None


def came_to(step: StepState) -> Status:
    """Return what has become of a step so far: what waits for another try is what the one before it was."""
    ended = last_word(step)
    return ended.status if ended is not None else step.status
