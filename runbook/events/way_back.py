"""How a way back ended, where its status alone does not say it."""

from __future__ import annotations

from runbook.events.fact import UndoFinished
from runbook.events.state import Attempt, StepState

CHANGED = "changed by somebody else since; nothing was overwritten"
"""The error of a way back that was not gone, because the target is not as the step left it."""

UNTELLABLE = "cannot be told whether it was changed since; nothing was touched"
"""The error of a way back that was not gone, because the target does not tell how it is."""


def is_untellable(error: str) -> bool:
    """Tell whether a way back was not gone for want of knowledge, and not because somebody changed something."""
    return error.startswith(UNTELLABLE)


def needed_none(attempt: Attempt) -> bool:
    """Tell whether a change is undone without anything done for it, because there was nothing to lead back."""
    ended = attempt.undone
    return _was_walked(ended) and not attempt.undo_operations and not attempt.again


def is_back_by_itself(step: StepState) -> bool:
    """Tell whether nothing that a step changed in a place needed a way back."""
    walked = [attempt for attempt in step.attempts if attempt.undone is not None and not attempt.again]
    return step.status == "undone" and bool(walked) and all(needed_none(attempt) for attempt in walked)


def _was_walked(ended: UndoFinished | None) -> bool:
    # What a person has marked as led back bears no target.
    return ended is not None and ended.status == "undone" and bool(ended.target)
