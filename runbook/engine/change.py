"""Changing: carry out what is planned for a step in one place, verify it, and record the outcome.

The order is the first rule of the product: `attempt.started` with the plan and all that undo needs is on disk
before an operation begins, an operation's intent before anything is sent, its receipt before the next.
"""

from __future__ import annotations

from msgspec import Struct

from runbook.engine.bind import rebind
from runbook.engine.context import StepContext, border
from runbook.engine.probe import capture, check, shown
from runbook.engine.sink import OutputSink
from runbook.engine.trace import forget
from runbook.errors import (
    ActionError,
    ClaimLost,
    DispatchRefused,
    JournalError,
    NotPermitted,
    RunbookError,
    TransportError,
)
from runbook.events import fact as f
from runbook.events.plain import freeze_object, thaw
from runbook.events.state import Attempt
from runbook.events.status import Status
from runbook.model.convert import convert
from runbook.model.scalar import Json
from runbook.ports.action import Action, Verdict

AnyAction = Action[Struct, Struct, Struct]


class Outcome(Struct, frozen=True, kw_only=True):
    """How an attempt ended, before it is recorded."""

    status: Status
    changed: bool
    verified: bool = False
    error: str = ""
    evidence: tuple[str, ...] = ()
    values: dict[str, Json] = {}
    result: dict[str, Json] = {}
    dispatched: bool = True
    adopted: bool = False


def apply(context: StepContext, attempt: int) -> None:
    """Carry out a planned change to its outcome and record it."""
    planned = context.at.planned
    assert planned is not None
    if planned.answer == "already":
        _record_already(context, attempt, planned)
        return
    if _lives_already(context, attempt):
        return
    held = check(context, context.step.checks, once=True).state if context.step.checks else ""
    context.services.failpoint("before-attempt")
    context.record_soon(
        f.AttemptStarted(
            step=context.step.id,
            target=context.place,
            attempt=attempt,
            effect=context.step.effect,
            plan_digest=planned.digest,
            held_before=held,
        )
    )
    context.services.failpoint("after-attempt")
    carry_out(context, Attempt(attempt, context.step.effect, planned, held))


def _lives_already(context: StepContext, attempt: int) -> bool:
    """Refuse to begin beside an earlier attempt that still runs, whoever asked for it."""
    living: list[str] = []
    unreached = ""
    try:
        living = [line for earlier in context.at.attempts for line in context.living(earlier)]
    except TransportError as fault:
        unreached = str(fault)
    if not living and not unreached:
        return False
    context.record(
        f.StepFinished(
            step=context.step.id,
            target=context.place,
            attempt=attempt,
            status="unreachable" if unreached else "refused",
            effect=context.step.effect,
            error=unreached or "an earlier attempt still runs; wait until it has ended, or end it on its target",
            evidence=living,
            dispatched=False,
        )
    )
    return True


def _record_already(context: StepContext, attempt: int, planned: f.StepPlanned) -> None:
    """Record that there was nothing to do; what the playbook checks besides is looked at all the same."""
    status: Status = "succeeded"
    verdict = Verdict("good")
    if context.step.checks:
        context.phase("verifying")
        verdict = check(context, context.step.checks)
    error = ""
    if verdict.state != "good":
        why = verdict.evidence[-1] if verdict.evidence else verdict.state
        error = (
            f"{planned.words}, but {'its check is bad' if verdict.state == 'bad' else 'it cannot be verified'}: {why}"
        )
        status = _stopped(context, "failed")
    context.record(
        f.StepFinished(
            step=context.step.id,
            target=context.place,
            attempt=attempt,
            status=status,
            effect=context.step.effect,
            verified=verdict.state == "good",
            error=error,
            evidence=[planned.words, *verdict.evidence],
            dispatched=False,
        )
    )


def carry_out(context: StepContext, attempt: Attempt, *, adopted: bool = False) -> None:
    """Run the operations of an attempt that have no receipt yet, verify, and record the outcome."""
    clock = context.services.monotonic
    began = clock()
    context.phase("applying")
    sink = context.sink(attempt.number)
    try:
        outcome = _applied(context, attempt, sink, adopted=adopted)
    except JournalError:
        sink.close()
        raise
    output = sink.close()
    context.services.failpoint("before-outcome")
    last = context.last
    context.record(
        f.StepFinished(
            step=context.step.id,
            target=context.place,
            attempt=attempt.number,
            status=outcome.status,
            effect=context.step.effect,
            changed=outcome.changed,
            verified=outcome.verified,
            values=outcome.values,
            result=outcome.result,
            error=outcome.error,
            evidence=list(outcome.evidence),
            dispatched=outcome.dispatched,
            exit=last.exit if last is not None else None,
            output=output,
            ms=int((clock() - began) * 1000),
            adopted=outcome.adopted,
        )
    )
    context.services.failpoint("after-outcome")
    if outcome.status != "in_doubt":
        forget(context, attempt)


def _applied(context: StepContext, attempt: Attempt, sink: OutputSink, *, adopted: bool) -> Outcome:
    step = context.step
    action = context.services.catalogue.action(step.uses)
    intended = bool(attempt.operations)
    try:
        model, before = unpack(context, action, attempt)
        work = context.operations(attempt, sink)
    except RunbookError as failed:
        status: Status = "unreachable" if isinstance(failed, TransportError) else "failed"
        return Outcome(status=status, changed=intended, error=str(failed), dispatched=intended)
    try:
        with border(step.uses):
            result = action.apply(model, before, work)
    except JournalError:
        raise
    except DispatchRefused as refused:
        # This operation was provably not started; what came before it was.
        if intended or work.receipts:
            return Outcome(status=_stopped(context, "failed"), changed=True, error=str(refused))
        stopped = _stopped(context, "refused" if isinstance(refused, (ClaimLost, NotPermitted)) else "unreachable")
        return Outcome(status=stopped, changed=False, error=str(refused), dispatched=False)
    except TransportError as unknown:
        if not context.target.dispatched and not intended:
            stopped = _stopped(context, "unreachable")
            return Outcome(status=stopped, changed=False, error=str(unknown), dispatched=False)
        if not work.is_open:
            # It was looking between two operations, and of each that it began the end is on record.
            return Outcome(status=_stopped(context, "failed"), changed=True, error=str(unknown))
        return Outcome(status="in_doubt", changed=True, error=str(unknown), evidence=_seen(context))
    except RunbookError as failed:
        return _failed(context, action, model, before, work.target.dispatched or intended, str(failed))
    return verified(context, attempt.number, action, model, before, result, sink, adopted=adopted)


def _stopped(context: StepContext, status: Status) -> Status:
    return "cancelled" if context.cancel.is_set() else status


def _seen(context: StepContext) -> tuple[str, ...]:
    return context.target.last.evidence if context.target.last is not None else ()


def _failed(
    context: StepContext, action: AnyAction, model: Struct, before: Struct, dispatched: bool, error: str
) -> Outcome:
    """Judge a change that ended badly: one that was stopped may have come to its end all the same."""
    last = context.target.last
    status: Status = "failed"
    if last is not None and last.ended == "timeout":
        status = "timed_out"
    elif (last is not None and last.ended == "cancel") or context.cancel.is_set():
        status = "cancelled"
    evidence = _seen(context)
    if status in ("timed_out", "cancelled") and dispatched:
        # A cancelled step is looked at once, and by a connection that the cancel does not end.
        looking = context.after_cancel() if context.cancel.is_set() else context
        verdict = _told(looking, action, model, before, None, once=looking is not context)
        evidence = (*evidence, *verdict.evidence)
        if verdict.state == "good" and (action.brings_verify or context.step.checks):
            return Outcome(status="succeeded", changed=True, verified=True, error=error, evidence=evidence)
    return Outcome(status=status, changed=dispatched, error=error, evidence=evidence, dispatched=dispatched)


def verified(
    context: StepContext,
    number: int,
    action: AnyAction,
    model: Struct,
    before: Struct,
    result: Struct | None,
    sink: OutputSink,
    *,
    adopted: bool = False,
) -> Outcome:
    """Verify a change that came to its end, and capture its values."""
    context.phase("verifying")
    raw = freeze_object(result)
    verdict = _told(context, action, model, before, result)
    if verdict.state != "good" and context.cancel.is_set():
        # The look was cut short, which says nothing of the target.
        verdict = _told(context.after_cancel(), action, model, before, result, once=True)
        if verdict.state == "good" and any(act.source.until for act in context.step.checks):
            verdict = Verdict("no data", (*verdict.evidence, "cancelled before it held long enough"))
    context.record_soon(
        f.VerifyFinished(
            step=context.step.id,
            target=context.place,
            attempt=number,
            state=verdict.state,
            evidence=list(verdict.evidence),
        )
    )
    if verdict.state != "good":
        why = verdict.evidence[-1] if verdict.evidence else verdict.state
        words = "completed, but its check is bad" if verdict.state == "bad" else "completed, but it cannot be verified"
        return Outcome(
            status=_stopped(context, "failed") if verdict.state == "no data" else "failed",
            changed=True,
            error=f"{words}: {why}",
            evidence=verdict.evidence,
            result=_kept(context, raw),
        )
    try:
        seen = {"exit": 0, "stdout": sink.text("out"), "stderr": sink.text("err"), **raw}
        values = capture(context, seen)
    except RunbookError as failed:
        return Outcome(status="failed", changed=True, verified=True, error=str(failed), result=_kept(context, raw))
    return Outcome(
        status="succeeded",
        changed=True,
        verified=action.brings_verify or bool(context.step.checks),
        values=values,
        result=_kept(context, raw),
        evidence=verdict.evidence,
        adopted=adopted,
    )


def _kept(context: StepContext, raw: dict[str, Json]) -> dict[str, Json]:
    """Return a result for the record: whole where undo needs it, without output where it is that of a command."""
    return shown(raw) if context.step.uses in ("command", "shell") else raw


def _told(
    context: StepContext,
    action: AnyAction,
    model: Struct,
    before: Struct,
    result: Struct | None,
    *,
    once: bool = False,
) -> Verdict:
    """Verify; what cannot be looked at is no data."""
    try:
        with border(context.step.uses):
            return verify(context, action, model, before, result, once=once)
    except RunbookError as unclear:
        return Verdict("no data", (str(unclear),))


def verify(
    context: StepContext,
    action: AnyAction,
    model: Struct,
    before: Struct,
    result: Struct | None,
    *,
    once: bool = False,
) -> Verdict:
    """Make the check that the action brings, then the written ones; `once` looks at those without waiting."""
    lines: tuple[str, ...] = ()
    if action.brings_verify:
        own = action.verify(model, before, result, context.target)
        if own.state != "good":
            return own
        lines = own.evidence
    more = check(context, context.step.checks, once=once)
    return Verdict(more.state, (*lines, *more.evidence))


def unpack(context: StepContext, action: AnyAction, attempt: Attempt) -> tuple[Struct, Struct]:
    """Return the typed arguments and the state before, from the recorded plan. Raises ActionError."""
    planned = attempt.planned
    if planned is None:
        raise ActionError("the plan of this attempt is not on record")
    model = rebind(context.services, context.info(), planned.arguments)
    before, faults = convert(thaw(planned.before), action.before)
    if faults:
        raise ActionError(f"the recorded state before cannot be read: {faults[0].text()}")
    return model, before
