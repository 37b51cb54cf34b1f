"""The latest records of the journal in a few words each: what the screens list as proof that all is on disk."""

from __future__ import annotations

from collections.abc import Iterable

from runbook.events import fact as f
from runbook.events.timed import Timed
from runbook.text import one_line
from runbook.tui.presenter.place import where
from runbook.tui.presenter.words import Row, muted, plain, shortened

_WORDS = {
    "session.opened": "opened",
    "session.closed": "closed",
    "question.asked": "asked",
    "decision.made": "decided",
    "steering.asked": "steered",
    "note.written": "note",
    "step.skipped": "skipped",
    "step.planned": "planned",
    "attempt.started": "intent",
    "read.started": "reads",
    "operation.intended": "intent",
    "operation.done": "receipt",
    "verify.finished": "checked",
    "step.finished": "outcome",
    "undo.started": "undo",
    "undo.finished": "undone",
    "target.met": "met",
    "lease.claimed": "lease",
    "lease.returned": "returned",
    "guard.sampled": "sample",
    "guard.breached": "breach",
    "baseline.taken": "normal",
    "run.finished": "rest",
}


def record_rows(records: Iterable[Timed], cells: int, most: int) -> list[Row]:
    """Return the latest records, newest first; samples of guards stand among the instruments."""
    rows: list[Row] = []
    for timed in reversed(list(records)):
        if isinstance(timed.fact, f.GuardSampled):
            continue
        if len(rows) >= most:
            break
        what, about = record_words(timed.fact)
        row: Row = (muted(f"{timed.seq:>3} {timed.time[11:19]} "), plain(f"{what:<10}"), muted(about))
        rows.append(shortened(row, cells))
    return rows


def record_words(fact: f.Fact) -> tuple[str, str]:
    """Return what a record says, and about what."""
    what = _WORDS.get(fact.type, fact.type)
    match fact:
        case f.StepFinished():
            what = "verified" if fact.verified else fact.status.replace("_", " ")
            return what, _place(fact)
        case f.OperationIntended() | f.OperationDone():
            return what, one_line(f"{fact.operation} {_place(fact)}", 80)
        case f.AtStep():
            return what, _place(fact)
        case f.DecisionMade():
            return what, one_line(f"{fact.choice} {fact.step}", 80)
        case f.QuestionAsked():
            return what, one_line(f"{fact.question.kind} {fact.question.step}", 80)
        case f.NoteWritten():
            return what, one_line(fact.text, 80)
        case f.TargetMet():
            return what, one_line(f"{fact.target} {fact.host_key}", 80)
        case f.LeaseClaimed() | f.LeaseReturned():
            return what, one_line(fact.target, 80)
        case f.RunFinished() | f.SessionClosed():
            return what, fact.status.replace("_", " ")
        case f.SessionOpened():
            return what, fact.mode
        case f.GuardBreached():
            return what, one_line(fact.guard, 80)
        case f.BaselineTaken():
            return what, one_line(fact.baseline, 80)
        case f.SteeringAsked():
            return what, fact.what
        case _:
            return what, ""


def _place(fact: f.AtStep) -> str:
    return one_line(f"{fact.step} {where(fact.target)}".strip(), 80)
