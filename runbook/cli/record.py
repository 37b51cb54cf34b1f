"""One fact of the journal as one line, for `audit show`: every fact has one, none is left out."""

from __future__ import annotations

from typing import assert_never

from runbook.cli.printer import at, pace_words
from runbook.cli.style import Style
from runbook.cli.watching import watch_words
from runbook.events import fact as f
from runbook.text import duration_text, one_line
from runbook.text.mark import status_word

LINE = 300


def fact_words(fact: f.Fact, style: Style) -> str:
    """Return a fact in one line of clean text."""
    if isinstance(fact, f.AtStep):
        return _step(fact, style)
    match fact:
        case f.SessionOpened():
            who = f"{fact.actor.get('user', '?')}@{fact.actor.get('host', '?')}"
            title = str(fact.playbook.get("title", ""))
            return one_line(f"session opened: {fact.mode} by {who}{f', {title}' if title else ''}", LINE)
        case f.SessionClosed():
            following = f", handed over as {fact.next_session}" if fact.next_session else ""
            return one_line(f"session closed: {status_word(fact.status)}{following}", LINE)
        case f.JournalRepaired():
            return f"journal repaired: {fact.size} bytes of a line that was never finished were set aside"
        case f.QuestionAsked():
            return one_line(f"question: {fact.question.title}", LINE)
        case f.DecisionMade():
            return _decision(fact)
        case f.SteeringAsked():
            return one_line(f"{fact.what} was asked for{_by(fact.actor)}{_reason(fact.reason)}", LINE)
        case f.NoteWritten():
            return one_line(f"note{f' on {fact.step}' if fact.step else ''}{_by(fact.actor)}: {fact.text}", LINE)
        case f.UndoAsked():
            return one_line(f"going back: {', '.join('@'.join(s[:2]) for s in fact.steps)}{_reason(fact.reason)}", LINE)
        case f.TargetMet():
            return one_line(f"{fact.target} met as {fact.place}, key {fact.host_key}", LINE)
        case f.LeaseClaimed():
            over = f", taken over from {fact.over}" if fact.over else ""
            return one_line(f"{fact.target} claimed{over}{_reason(fact.reason)}", LINE)
        case f.LeaseReturned():
            return one_line(f"{fact.target} given back", LINE)
        case f.ListenerFailed():
            return one_line(f"{fact.listener} failed: {fact.error}", LINE)
        case f.BaselineTaken() | f.GuardSampled() | f.GuardBreached():
            return watch_words(fact)
        case f.SecretFound():
            return one_line(f"a declared secret stands in {fact.file}", LINE)
        case f.RunFinished():
            verified = "verified" if fact.verified else f"{fact.unverified} left unverified"
            return f"{style.status(fact.status)}: {verified}{_reason(one_line(fact.why, LINE))}"
        case _:
            assert_never(fact)


def _decision(fact: f.DecisionMade) -> str:
    about = f" for {fact.step}" if fact.step else ""
    return one_line(f"decision: {fact.choice}{about}, {fact.source}{_by(fact.actor)}{_reason(fact.reason)}", LINE)


def _step(fact: f.AtStep, style: Style) -> str:
    where = at(fact)
    match fact:
        case f.StepSkipped():
            return one_line(f"{where} skipped, {fact.why}{_reason(fact.reason)}", LINE)
        case f.StepPlanned():
            return one_line(f"{where} planned, {fact.answer}{_reason(fact.words)}", LINE)
        case f.AttemptStarted():
            return one_line(f"{where} begins, attempt {fact.attempt}, {fact.effect}", LINE)
        case f.ReadStarted():
            return one_line(f"{where} is read", LINE)
        case f.OperationIntended():
            return one_line(f"{where}: operation {fact.operation} is about to be sent{_undo(fact.undo)}", LINE)
        case f.OperationDone():
            found = ", found out afterwards" if fact.settled else ""
            return one_line(f"{where}: operation {fact.operation} is done{_undo(fact.undo)}{found}", LINE)
        case f.VerifyFinished():
            return one_line(f"{where}: its check is {fact.state}", LINE)
        case f.StepFinished():
            verified = ", verified" if fact.verified else ""
            time = duration_text(fact.ms / 1000)
            return f"{style.status(fact.status)}  {one_line(f'{where} {time}{verified}{_reason(fact.error)}', LINE)}"
        case f.PaceSet():
            return one_line(f"{where}: rate set to {pace_words(fact)}{_by(fact.actor)}{_reason(fact.reason)}", LINE)
        case f.UndoStarted():
            return one_line(f"{where}: the way back begins", LINE)
        case f.UndoFinished():
            return one_line(f"{where}: the way back ended, {status_word(fact.status)}{_reason(fact.error)}", LINE)
        case _:
            return one_line(f"{where}: {fact.type}", LINE)


def _by(actor: str) -> str:
    return f" by {actor}" if actor else ""


def _reason(reason: str) -> str:
    return f": {reason}" if reason else ""


def _undo(undo: bool) -> str:
    return " to undo" if undo else ""
