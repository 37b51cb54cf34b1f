"""Settling doubt: what became of an attempt whose process is gone. Only reads, and says what it saw.

The order is that of the contract: does the job live, what does its folder or the action's `settle` say, was the
check bad before and does it hold now, may the step be run twice; else it is in doubt and a person decides.
"""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from runbook.engine.change import AnyAction, carry_out, unpack, verify
from runbook.engine.context import StepContext, border
from runbook.engine.trace import forget
from runbook.engine.work import op_key
from runbook.errors import RunbookError
from runbook.events import fact as f
from runbook.events.plain import freeze_object, thaw_object
from runbook.events.state import Attempt, Operation
from runbook.ports.action import Done, NotDone, OpenOp, Settlement, Unknown, Verdict
from runbook.ports.target import JobFinished, JobLost, JobRunning, JobState, JobUnknown, NoJob

WRITTEN = "written-"
"""Begins the names of the operations of written undo steps, with the number of the step behind it."""

TUNNEL = "tunnel"
"""What an intent says under `through` if its operation leaves no job: a request that is sent from here."""


class Settled(Struct, frozen=True):
    """What settling the open operations of an attempt gave."""

    operations: tuple[Operation, ...]
    open: bool
    """Some operation is neither known to be done nor known not to be."""
    evidence: tuple[str, ...]
    job_over: bool = True
    """No job of the attempt lives."""


def settle(context: StepContext, number: int) -> None:
    """Find out what became of an open attempt, and go on with it or record the doubt."""
    attempt = context.state.change(context.step.id, context.place, number)
    context.phase("settling")
    try:
        action = context.services.catalogue.action(context.step.uses)
        model, before = unpack(context, action, attempt)
        found = settle_operations(context, action, model, before, attempt, attempt.operations, undo=False)
    except RunbookError as failed:
        _doubt(context, attempt, str(failed), ())
        return
    if not found.open:
        is_done = bool(found.operations) and all(op.receipt is not None for op in found.operations)
        if not is_done and _goes_back(context):
            _left_off(context, attempt, found)
            return
        carry_out(context, replace(attempt, operations=found.operations), adopted=is_done)
        return
    _last_evidence(context, action, model, before, attempt, found)


def leave_in_doubt(context: StepContext, number: int, why: str) -> None:
    """Record the doubt about an open attempt whose target cannot be reached."""
    evidence = ("it had begun, and its host cannot be asked what became of it",)
    _doubt(context, context.state.change(context.step.id, context.place, number), why, evidence)


def _goes_back(context: StepContext) -> bool:
    """Tell whether this session undoes, or the run was given up: then no change is gone on with."""
    undoes = bool(context.state.sessions) and context.state.sessions[-1].mode == "undo"
    return undoes or context.state.aborted


def _left_off(context: StepContext, attempt: Attempt, found: Settled) -> None:
    """Record an attempt that was broken off and is not gone on with, because the run is led back."""
    sent = any(operation.receipt is not None for operation in found.operations)
    context.record(
        f.StepFinished(
            step=context.step.id,
            target=context.place,
            attempt=attempt.number,
            status="cancelled",
            effect=context.step.effect,
            changed=sent,
            error="it was broken off, and the run is undone",
            evidence=list(found.evidence),
            dispatched=sent,
        )
    )
    forget(context, attempt)


def settle_operations(
    context: StepContext,
    action: AnyAction,
    model: Struct,
    before: Struct,
    attempt: Attempt,
    operations: tuple[Operation, ...],
    *,
    undo: bool,
) -> Settled:
    """Look at every open operation; receipts that are found are recorded. What has not begun never will from now on."""
    settled: list[Operation] = []
    lines: list[str] = []
    still_open, over = False, True
    for operation in operations:
        if operation.receipt is not None:
            settled.append(operation)
            continue
        key = op_key(context.key(attempt.number), operation.name, operation.tries, undo=undo)
        context.target.uprooted = attempt.uprooted
        job = context.target.job(key)
        if isinstance(job, NoJob) and operation.intent.get("through") != TUNNEL and not context.target.fence(key):
            # What was sent over a connection that broke has arrived meanwhile.
            job = context.target.job(key)
        if isinstance(job, JobRunning):
            lines.append(f"the job of {operation.name} still runs (pid {job.pid}); waiting for it")
            with_sink = context.sink(attempt.number, undo=undo)
            context.target.attach(key, with_sink, context.step.timeout)
            with_sink.close()
            job = context.target.job(key)
        if operation.intent.get("through") != TUNNEL:
            lines.extend(_job_lines(operation.name, job))
        over = over and not isinstance(job, JobRunning)
        answer = _answer(context, action, model, before, OpenOp(key, thaw_object(operation.intent)), job)
        match answer:
            case Done(receipt=receipt, evidence=seen):
                kept = freeze_object(receipt)
                context.record(
                    f.OperationDone(
                        step=context.step.id,
                        target=context.place,
                        attempt=attempt.number,
                        operation=operation.name,
                        receipt=kept,
                        undo=undo,
                        settled=True,
                    )
                )
                settled.append(replace(operation, receipt=kept, settled=True))
            case NotDone(evidence=seen):
                settled.append(operation)
            case Unknown(evidence=seen):
                still_open = True
                settled.append(operation)
        lines.extend(seen)
    return Settled(tuple(settled), still_open, tuple(lines), over)


def _answer(
    context: StepContext, action: AnyAction, model: Struct, before: Struct, operation: OpenOp, job: JobState
) -> Settlement:
    """Ask whoever made the operation: the action of the step, or that of a written undo step."""
    name = operation.key.name.removeprefix("undo-")
    if not name.startswith(WRITTEN):
        with border(context.step.uses):
            return action.settle(model, before, operation, context.target)
    if isinstance(job, NoJob):
        return NotDone(("it was never started on the target",))
    number = name.removeprefix(WRITTEN).partition("-")[0]
    acts = context.step.undo if isinstance(context.step.undo, tuple) else ()
    uses = acts[int(number)].uses if number.isdigit() and int(number) < len(acts) else ""
    if uses not in ("command", "shell"):
        return Unknown(("what became of this step of the way back cannot be told",))
    # Commands are told by their job alone, so neither arguments nor state before are asked for.
    return context.services.catalogue.action(uses).settle(model, before, operation, context.target)


def _job_lines(name: str, job: JobState) -> tuple[str, ...]:
    match job:
        case NoJob():
            return (f"{name}: there is no job folder: it was never started",)
        case JobFinished(exit=code, evidence=seen):
            return (f"{name}: its job ended with exit {code}", *seen)
        case JobLost(evidence=seen):
            return (f"{name}: its job was started, is gone, and left no status", *seen)
        case JobRunning(pid=pid):
            return (f"{name}: its job still runs (pid {pid})",)
        case JobUnknown(evidence=seen):
            return (f"{name}: nothing is known of its job", *seen)
        case _:
            raise AssertionError(job)


def _last_evidence(
    context: StepContext, action: AnyAction, model: Struct, before: Struct, attempt: Attempt, found: Settled
) -> None:
    """An operation stays open: the checks may still tell, else a person has to."""
    lines = found.evidence
    if attempt.held_before in ("bad", "no data") and found.job_over:
        try:
            with border(context.step.uses):
                verdict = verify(context, action, model, before, None)
        except RunbookError as unclear:
            verdict = Verdict("no data", (str(unclear),))
        lines = (*lines, f"the check was {attempt.held_before} before the change and is {verdict.state} now")
        lines = (*lines, *verdict.evidence)
        if attempt.held_before == "bad" and verdict.state == "good":
            context.record(
                f.StepFinished(
                    step=context.step.id,
                    target=context.place,
                    attempt=attempt.number,
                    status="succeeded",
                    effect=context.step.effect,
                    changed=True,
                    verified=True,
                    evidence=list(lines),
                    adopted=True,
                )
            )
            forget(context, attempt)
            return
    if context.step.source.idempotent and found.job_over:
        context.record(
            f.StepFinished(
                step=context.step.id,
                target=context.place,
                attempt=attempt.number,
                status="pending",
                effect=context.step.effect,
                changed=True,
                evidence=[*lines, "the playbook says that it may be run twice"],
            )
        )
        return
    _doubt(context, attempt, "the process that ran it is gone, and its outcome is unknown", lines)


def _doubt(context: StepContext, attempt: Attempt, error: str, evidence: tuple[str, ...]) -> None:
    context.record(
        f.StepFinished(
            step=context.step.id,
            target=context.place,
            attempt=attempt.number,
            status="in_doubt",
            effect=context.step.effect,
            changed=True,
            error=error,
            evidence=list(evidence),
        )
    )
