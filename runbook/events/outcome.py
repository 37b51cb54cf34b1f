"""How a run ended, in a word or few: the same on the command line, on the screens and in the report. Pure."""

from __future__ import annotations

from runbook.events.state import RunState
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
