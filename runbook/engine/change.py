"""Changing: inspect and plan a step in one place, then carry it out, verify it, and record the outcome.

The order is the first rule of the product: `attempt.started` with the plan and all that undo needs is on disk
before an operation begins, an operation's intent before anything is sent, its receipt before the next.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

from runbook.engine.bind import Bound, bind, digest_of, form_of, rebind, written
from runbook.engine.context import StepContext, border
from runbook.engine.probe import capture, check, shown
from runbook.engine.sink import OutputSink
from runbook.errors import ActionError, DispatchRefused, ExpressionError, JournalError, RunbookError, TransportError
from runbook.events import fact as f
from runbook.events.plain import freeze_object, thaw
from runbook.events.state import Attempt
from runbook.events.status import Status
from runbook.expression import render_tree
from runbook.model.convert import convert
from runbook.model.plan import PlannedAct
from runbook.model.playbook import UndoNone
from runbook.model.scalar import Json
from runbook.ports.action import Action, Already, Proceed, Refuse, StepPlan, Verdict
from runbook.text import duration_text, shell_words

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


def inspect(context: StepContext, *, early: bool = False) -> None:
    """Look at the target and record what will happen; a refusal is an outcome unless it is not the step's turn."""
    context.phase("inspecting")
    try:
        with border(context.step.uses):
            planned = _planned(context)
    except RunbookError as failed:
        if context.cancel.is_set():
            # What the target said or did not say is no news of it: it was not let finish.
            _not_begun(context, "cancelled", context.cancel.reason)
        elif isinstance(failed, TransportError):
            _not_begun(context, "unreachable", str(failed))
        elif early:
            why = failed.message if isinstance(failed, ExpressionError) else str(failed)
            context.record(_later(context, why))
        else:
            _not_begun(context, "failed", str(failed))
        return
    if planned.answer == "refuse":
        if early:
            context.record(_later(context, planned.words))
            return
        context.record(planned)
        _not_begun(context, "refused", planned.words)
        return
    context.record(planned)


def _planned(context: StepContext) -> f.StepPlanned:
    step = context.step
    raw = written(step, context.state)
    if step.kind in ("wait", "notify"):
        return _planned_once(context, raw)
    bound = bind(context.services, context.info(), raw, context.names)
    form = form_of(step, raw, context.place)
    _refuse_masked(context, bound)
    if step.kind != "action":
        words = step.source.title or step.id
        commands = _commands(bound)
        digest = digest_of(step, bound.arguments, context.place, [words, *commands])
        return f.StepPlanned(
            step=context.step.id,
            target=context.place,
            answer="proceed",
            words=words,
            commands=commands,
            digest=digest,
            form=form,
            arguments=bound.arguments,
        )
    return _planned_change(context, bound, form)


def _planned_once(context: StepContext, raw: Mapping[str, Json]) -> f.StepPlanned:
    """Plan what no action stands behind: a wait, or a message and the program that takes it."""
    step = context.step
    text = str(render_tree(raw.get("message", ""), context.names))
    words = f"Tell: {text}" if step.kind == "notify" else f"Wait {duration_text(step.source.wait or 0.0)}"
    argv = raw.get("command")
    commands = [shell_words([str(word) for word in argv])] if isinstance(argv, list) and argv else []
    return f.StepPlanned(
        step=step.id,
        target=context.place,
        answer="proceed",
        words=words,
        commands=commands,
        digest=digest_of(step, raw, context.place, [words, *commands]),
        form=form_of(step, raw, context.place),
    )


def _planned_change(context: StepContext, bound: Bound, form: str) -> f.StepPlanned:
    step = context.step
    action = context.services.catalogue.action(step.uses)
    seen = action.inspect(bound.model, context.target)
    match seen:
        case Refuse(why=why, remedy=remedy):
            words = f"{why}; {remedy}" if remedy else why
            return f.StepPlanned(
                step=context.step.id, target=context.place, answer="refuse", words=words, digest="", form=form
            )
        case Already(before=before, why=why):
            plan = StepPlan(why)
            answer: Literal["proceed", "already"] = "already"
        case Proceed(before=before):
            plan = action.plan(bound.model, before)
            answer = "proceed"
    undo = plan.undo or _written_undo(context)
    digest = digest_of(step, bound.arguments, context.place, [plan.words, *plan.commands, plan.diff])
    return f.StepPlanned(
        step=context.step.id,
        target=context.place,
        answer=answer,
        words=plan.words,
        commands=list(plan.commands),
        diff=plan.diff,
        notes=list(plan.notes),
        undo=undo,
        digest=digest,
        form=form,
        arguments=bound.arguments,
        before=freeze_object(before),
    )


def _refuse_masked(context: StepContext, bound: Bound) -> None:
    """Raise ActionError if the record of the arguments would differ from what is run.

    The plan is run from its record, and a secret that stands in it as plain text is not in the record.
    """
    if context.services.masker.mask_tree(bound.arguments) != bound.arguments:
        raise ActionError(
            "the value of a declared secret stands among the arguments",
            where=context.step.id,
            remedy="pass it as that secret, by env or stdin, or take a secret that is no ordinary word",
        )


def _commands(bound: Bound) -> list[str]:
    argv = bound.arguments.get("argv")
    if isinstance(argv, list):
        return [shell_words([str(word) for word in argv])]
    script = bound.arguments.get("script")
    if isinstance(script, str):
        return [script]
    return [f"{key}: {value}" for key, value in bound.arguments.items() if isinstance(value, (str, int))]


def _written_undo(context: StepContext) -> str:
    undo = context.step.undo
    if isinstance(undo, UndoNone):
        return f"none: {undo.none}"
    return "; ".join(act.title or _act_words(act) for act in undo or ())


def _act_words(act: PlannedAct) -> str:
    argv = act.with_.get("argv")
    return shell_words([str(word) for word in argv]) if isinstance(argv, list) else act.uses


def _later(context: StepContext, why: str) -> f.StepPlanned:
    form = form_of(context.step, written(context.step, context.state), context.place)
    words = f"{context.step.source.title or context.step.id}: known when it is its turn ({why})"
    return f.StepPlanned(
        step=context.step.id, target=context.place, answer="later", words=words, digest=form, form=form
    )


def _not_begun(context: StepContext, status: Status, error: str) -> None:
    """Record an outcome of a step that provably sent nothing."""
    context.record(
        f.StepFinished(
            step=context.step.id,
            target=context.place,
            attempt=context.at.next_attempt,
            status=status,
            effect=context.step.effect,
            error=error,
            dispatched=False,
        )
    )


def apply(context: StepContext, attempt: int) -> None:
    """Carry out a planned change to its outcome and record it."""
    planned = context.at.planned
    assert planned is not None
    if planned.answer == "already":
        _record_already(context, attempt, planned)
        return
    held = check(context, context.step.checks, once=True).state if context.step.checks else ""
    context.services.failpoint("before-attempt")
    context.record(
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


def _record_already(context: StepContext, attempt: int, planned: f.StepPlanned) -> None:
    context.record(
        f.StepFinished(
            step=context.step.id,
            target=context.place,
            attempt=attempt,
            status="succeeded",
            effect=context.step.effect,
            verified=True,
            evidence=[planned.words],
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
    last = context.target.last if "target" in context.__dict__ else None
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
        stopped = _stopped(context, "unreachable")
        return Outcome(status=stopped, changed=False, error=str(refused), dispatched=False)
    except TransportError as unknown:
        if not context.target.dispatched and not intended:
            stopped = _stopped(context, "unreachable")
            return Outcome(status=stopped, changed=False, error=str(unknown), dispatched=False)
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
        try:
            with border(context.step.uses):
                verdict = verify(looking, action, model, before, None, once=looking is not context)
        except RunbookError as unclear:
            verdict = Verdict("no data", (str(unclear),))
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
    try:
        with border(context.step.uses):
            verdict = verify(context, action, model, before, result)
    except RunbookError as unclear:
        verdict = Verdict("no data", (str(unclear),))
    context.record(
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
            status="failed",
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
