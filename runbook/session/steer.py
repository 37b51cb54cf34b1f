"""Steering a run from outside: mail to a live one, a record of its own in one that rests."""

from __future__ import annotations

from runbook.actions import catalogue
from runbook.config import Settings
from runbook.engine.asking import checked, decision
from runbook.engine.pace import checked_rate, pace_set
from runbook.errors import UsageError
from runbook.events import fact as f
from runbook.events.fold import fold, fold_all
from runbook.events.outcome import outcome_word
from runbook.events.state import RunState
from runbook.events.status import RunStatus
from runbook.journal import Layout, holder
from runbook.model.question import Answer, Question
from runbook.model.scalar import Json
from runbook.ports.recorder import Mail
from runbook.session.inbox import post
from runbook.session.lease import returned_leases
from runbook.session.prepare import from_snapshot
from runbook.session.provenance import actor, boot_id, owner, versions
from runbook.session.record import JournalRecorder, facts_of
from runbook.session.result import CLOSED, standing
from runbook.session.run import reopen
from runbook.session.unattended import Unattended, gate


def decide(
    settings: Settings,
    run: str,
    step: str,
    target: str,
    choice: str,
    *,
    reason: str = "",
    values: dict[str, Json] | None = None,
) -> str:
    """Answer the open question of a run; return what was done, in words.

    Raises UsageError if no question is open there, or the answer is none of its choices.
    """
    layout = Layout(settings.state)
    answer = Answer(choice=choice, values=values or {}, reason=reason, source="inbox", actor=owner())
    state = fold_all(facts_of(layout, run))
    question = _open_question(state, step, target) or _gate_to_come(state, run, step)
    checked(question, answer)
    if holder(layout, run) is not None:
        mail = Mail("decide", step, target, choice, values or {}, reason, owner())
        post(layout, run, mail)
        return "sent to the live run"
    made = decision(question, answer)
    after = fold(state, made)
    if question.kind in ("undo", "drift") and choice == "leave" and not after.undo_left:
        # That was the last of the way back: nothing is left to be carried out.
        status: RunStatus = "aborted" if after.aborted else "undone"
        _record(settings, run, "decide", made, *returned_leases(settings, run, state), status=status)
        word = outcome_word(after, status=status)
        return f"on record; the run is {status if word == status else f'over: {word}'}"
    if choice == "abort" and after.aborted and not _is_doubtful(after):
        _record(settings, run, "decide", made, *returned_leases(settings, run, state), status="aborted")
        return f"on record; the run is {_aborted(run, after)}"
    _record(settings, run, "decide", made, status=state.status)
    return f"on record; go on with `runbook resume {run}`"


def _open_question(state: RunState, step: str, target: str) -> Question | None:
    """Return the question that is open for a step: the last one asked for it and not answered."""
    found = [
        question
        for question in state.questions.values()
        if question.step == step and (not target or target in question.places)
    ]
    return found[-1] if found else None


def _gate_to_come(state: RunState, run: str, step: str) -> Question:
    """Return the question that a run which waits at its beginning will put; raises UsageError if there is none."""
    if state.opened is not None and state.status == "waiting":
        plan = from_snapshot(state.opened).plan
        for missing in Unattended().missing(plan):
            if missing.step == step:
                return gate(plan, missing)
    if state.status in CLOSED or state.status == "aborted":
        raise UsageError(f"run {run} is over: {state.status}; it asks nothing any more")
    names = sorted({question.step for question in state.questions.values()})
    remedy = f"questions are open for {', '.join(names)}" if names else f"`runbook resume {run}` goes on"
    raise UsageError(f"no question is open for {step}", where=run, remedy=remedy)


def pause(settings: Settings, run: str, reason: str) -> str:
    """Ask a live run to pause after what runs now."""
    return _steer(settings, run, "pause", reason)


def cancel(settings: Settings, run: str, reason: str) -> str:
    """Ask a live run to stop the running step; a resting one is closed as aborted."""
    layout = Layout(settings.state)
    if holder(layout, run) is not None:
        return _steer(settings, run, "cancel", reason)
    state = fold_all(facts_of(layout, run))
    if state.status in CLOSED or state.status == "aborted":
        raise UsageError(f"run {run} is over: {state.status}")
    if _is_doubtful(state):
        raise UsageError(
            "a step of it may have changed a target, and its outcome is unknown",
            where=run,
            remedy=f"settle it with `runbook resume {run}` first",
        )
    asked = f.SteeringAsked(what="cancel", reason=reason, actor=owner())
    _record(settings, run, "decide", asked, *returned_leases(settings, run, state), status="aborted")
    return _aborted(run, state)


def _is_doubtful(state: RunState) -> bool:
    """Tell whether a change has begun that nobody knows the end of; no process holds the run."""
    return any(
        at.status == "in_doubt"
        or at.orphan
        or any((a.is_open and a.effect != "read") or a.undo_open for a in at.attempts)
        for at in state.steps.values()
    )


def _aborted(run: str, state: RunState) -> str:
    pending = state.pending_undo
    back = "it" if pending == 1 else "them"
    left = f"; {standing(pending)}, `runbook undo {run}` takes {back} back" if pending else ""
    return f"aborted{left}"


def _steer(settings: Settings, run: str, kind: str, reason: str) -> str:
    layout = Layout(settings.state)
    if holder(layout, run) is None:
        raise UsageError(f"run {run} does not run now", remedy="`runbook audit list` shows what does")
    post(layout, run, Mail(kind, reason=reason, actor=owner()))
    return f"{kind} was asked for"


def note(settings: Settings, run: str, text: str, step: str = "") -> str:
    """Put a note on record. Raises UsageError if there is no such run."""
    layout = Layout(settings.state)
    if holder(layout, run) is not None:
        post(layout, run, Mail("note", step=step, reason=text, actor=owner()))
        return "sent to the live run"
    state = fold_all(facts_of(layout, run))
    _record(settings, run, "note", f.NoteWritten(text=text, step=step, actor=owner()), status=state.status)
    return "on record"


def set_rate(
    settings: Settings, run: str, step: str, rate: float, *, target: str = "", reason: str = ""
) -> tuple[str, ...]:
    """Set how fast a step may go, in units a second (0: no limit); return what was done, a line per place.

    A live run takes it at once, a resting one when it is resumed. It may be lowered, and raised up to what the playbook
    says.

    Raises UsageError if there is no such step, its rate cannot be set, or the playbook allows less.
    """
    layout = Layout(settings.state)
    state = fold_all(facts_of(layout, run))
    if state.opened is None or state.status in CLOSED or state.status == "aborted":
        raise UsageError(f"run {run} is over: {state.status}")
    plan = from_snapshot(state.opened).plan
    uses = next((s.uses for unit in plan.units for s in unit.steps if s.id == step), None)
    if uses is None:
        raise UsageError(f"the run has no step {step}", where=run)
    info = catalogue().info(uses) if uses else None
    if info is None:
        raise UsageError("it is no action, and has no rate", where=step)
    places = [place for name, place in state.steps if name == step and target in ("", place)]
    if not places:
        raise UsageError("the step has no plan yet", where=step, remedy="set its rate once it runs")
    for place in places:
        checked_rate(state.at(step, place), info, rate, f"{step}@{place}")
    words = f"{rate:g} a second" if rate else "no limit"
    if holder(layout, run) is not None:
        post(layout, run, Mail("pace", step, target, values={"rate": rate}, reason=reason, actor=owner()))
        return tuple(f"{step}@{place}: {words}, sent to the live run" for place in places)
    made = [pace_set(step, p, rate, reason, owner()) for p in places]
    _record(settings, run, "note", *made, status=state.status)
    return tuple(f"{step}@{place}: {words}, on record; `runbook resume {run}` goes on with it" for place in places)


def _record(settings: Settings, run: str, mode: f.Mode, *facts: f.Fact, status: RunStatus) -> None:
    """Write facts into a resting run, in a session of their own that leaves it as it was otherwise."""
    writer, state = reopen(Layout(settings.state), run)
    with writer:
        if status == "running":
            # The process that wrote it is gone, and has left nothing that says so.
            status = "interrupted"
        recorder = JournalRecorder(writer)
        opened = f.SessionOpened(mode=mode, actor=actor(), boot_id=boot_id(), versions=versions())
        for fact in (opened, *facts, f.SessionClosed(status=status)):
            recorder.record(fact)
            state = fold(state, fact)
        writer.close(status)
