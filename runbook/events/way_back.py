"""How a way back ended, where its status alone does not say it."""

from __future__ import annotations

from runbook.events.fact import UndoFinished
from runbook.events.state import Attempt, StepState


def is_untellable(ended: UndoFinished | None) -> bool:
    """Tell whether a way back was not gone for want of knowledge, and not because somebody changed something."""
    return ended is not None and ended.status == "drifted" and ended.cause == "no data"


def was_untellable(step: StepState) -> bool:
    """Tell whether a way back of a step in a place was not gone for want of knowledge."""
    return any(is_untellable(attempt.undone) for attempt in step.attempts)


def needed_none(attempt: Attempt) -> bool:
    """Tell whether a change is undone without anything done for it, because there was nothing to lead back."""
    ended = attempt.undone
    is_covered = ended is not None and bool(ended.covered_by)
    return _was_walked(ended) and not is_covered and not attempt.undo_operations and not attempt.again


def is_back_by_itself(step: StepState) -> bool:
    """Tell whether nothing that a step changed in a place needed a way back."""
    walked = [attempt for attempt in step.attempts if attempt.undone is not None and not attempt.again]
    return step.status == "undone" and bool(walked) and all(needed_none(attempt) for attempt in walked)


def _was_walked(ended: UndoFinished | None) -> bool:
    # What a person has marked as led back bears no target.
    return ended is not None and ended.status == "undone" and bool(ended.target)
