"""Undoing one change in one place, and running an activating step again after it.

The way back never overwrites what somebody else changed since: unless the target is as the step left it, nothing
is done and a person is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal, TypeAlias, cast

from msgspec import Struct
from msgspec.structs import replace

from runbook.engine.bind import bind
from runbook.engine.change import AnyAction, unpack, verify
from runbook.engine.context import StepContext, border
from runbook.engine.probe import check
from runbook.engine.settle import WRITTEN, settle_operations
from runbook.engine.sink import OutputSink
from runbook.engine.trace import forget
from runbook.engine.work import Operations
from runbook.errors import ActionError, DispatchRefused, JournalError, RunbookError, TransportError
from runbook.events import fact as f
from runbook.events.plain import thaw
from runbook.events.state import Attempt, Operation, RunState
from runbook.model.convert import convert
from runbook.model.plan import PlannedAct
from runbook.model.playbook import UndoNone
from runbook.model.scalar import Json
from runbook.ports.action import Refuse, Verdict
from runbook.ports.target import OpKey

End: TypeAlias = Literal["undone", "undo_failed", "drifted", "none", "in_doubt", "unreachable"]


_BACK: frozenset[End] = frozenset({"undone", "none"})
_DRIFTED = {
    "bad": "changed by somebody else since; nothing was overwritten",
    "no data": "cannot be told whether it was changed since; nothing was touched",
}


class Ended(Struct, frozen=True):
    """How an undo ended."""

    status: End
    error: str = ""
    evidence: tuple[str, ...] = ()
    cause: Literal["", "bad", "no data"] = ""
    covered_by: int = 0


def undo(context: StepContext) -> None:
    """Undo all that stands of the step in this place, the latest attempt first, and record how each ended."""
    numbers = _standing(context)
    if not numbers:
        last = context.at.attempt
        context.record(
            f.UndoFinished(
                step=context.step.id,
                target=context.place,
                attempt=last.number if last else 0,
                status="none",
                error="nothing to undo",
            )
        )
        return
    for number in reversed(numbers):
        # What an earlier attempt left lies below: it is not touched if the one on top cannot be led back.
        if _undo_attempt(context, context.state.change(context.step.id, context.place, number)) not in _BACK:
            return


def _standing(context: StepContext) -> list[int]:
    """Return the attempts of the step in this place that are not undone, oldest first."""
    return [n for s, t, n in context.state.standing if (s, t) == (context.step.id, context.place)]


def unreached(step: str, target: str, state: RunState, why: str) -> f.UndoFinished:
    """Return the fact that a change stands because its target cannot be reached."""
    number = max((n for s, t, n in state.standing if (s, t) == (step, target)), default=0)
    return f.UndoFinished(step=step, target=target, attempt=number, status="unreachable", error=why)


def _undo_attempt(context: StepContext, attempt: Attempt) -> End:
    clock = context.services.monotonic
    began = clock()
    declared = context.step.undo
    if isinstance(declared, UndoNone):
        context.record(
            f.UndoFinished(
                step=context.step.id,
                target=context.place,
                attempt=attempt.number,
                status="none",
                error=f"no way back: {declared.none}",
            )
        )
        return "none"
    context.phase("undoing")
    sink = context.sink(attempt.number, undo=True)
    try:
        ended = _walk_back(context, attempt, sink)
    finally:
        output = sink.close()
    context.record(
        f.UndoFinished(
            step=context.step.id,
            target=context.place,
            attempt=attempt.number,
            status=ended.status,
            cause=ended.cause,
            covered_by=ended.covered_by,
            error=ended.error,
            evidence=list(ended.evidence),
            output=output,
            ms=int((clock() - began) * 1000),
        )
    )
    if ended.status == "undone" or (ended.status != "in_doubt" and not _is_doubtful(attempt)):
        forget(context, attempt)
    return ended.status


def _walk_back(context: StepContext, attempt: Attempt, sink: OutputSink) -> Ended:
    begun = False
    try:
        action = context.services.catalogue.action(context.step.uses)
        model, before = unpack(context, action, attempt)
        result = result_of(action, attempt)
        living = context.living(attempt)
        if living:
            return Ended("undo_failed", "it still runs; nothing was undone", living)
        if _is_doubtful(attempt) and not _was_told_to(context):
            found = settle_operations(context, action, model, before, attempt, attempt.operations, undo=False)
            if found.open:
                return Ended("in_doubt", "it is not known whether it was done; nothing was undone", found.evidence)
            attempt = replace(attempt, operations=found.operations)
        later = _covering(context, action, attempt)
        if later:
            return Ended("undone", covered_by=later)
        if attempt.undo_open or attempt.undo_operations:
            found = settle_operations(context, action, model, before, attempt, attempt.undo_operations, undo=True)
            if found.open:
                return Ended("in_doubt", "the undo was interrupted, and its outcome is unknown", found.evidence)
            attempt = replace(attempt, undo_operations=tuple(map(_to_be_done, found.operations)))
            if not attempt.undo_open:
                context.record(f.UndoStarted(step=context.step.id, target=context.place, attempt=attempt.number))
        else:
            drift = drifted(context, action, model, before, result, attempt)
            if drift.state != "good":
                return Ended("drifted", _DRIFTED[drift.state], drift.evidence, drift.state)
            context.record(f.UndoStarted(step=context.step.id, target=context.place, attempt=attempt.number))
        begun = True
        return _carried_back(context, action, model, before, result, attempt, sink)
    except JournalError:
        raise
    except TransportError as lost:
        # Until then there were only looks: what stands there can be undone when the target is back.
        return Ended("undo_failed" if begun else "unreachable", str(lost))
    except RunbookError as failed:
        return Ended("undo_failed", str(failed))


def _is_doubtful(attempt: Attempt) -> bool:
    """Tell whether nobody knows what the attempt did; then its way back could do harm."""
    return attempt.finished is None or attempt.finished.status in ("in_doubt", "pending")


def _was_told_to(context: StepContext) -> bool:
    """Tell whether a person who saw the doubt said that the way back is to be run all the same."""
    told = [
        made
        for made in context.state.decisions
        if made.kind in ("doubt", "undo") and made.step == context.step.id and context.place in made.places
    ]
    return bool(told) and told[-1].choice == "undo"


def _to_be_done(operation: Operation) -> Operation:
    """A command of an earlier walk back that is known to have failed is run again; what was done is not."""
    receipt = operation.receipt or {}
    failed = receipt.get("exit") not in (None, 0) or receipt.get("ended", "exit") != "exit"
    return replace(operation, receipt=None) if failed else operation


def _carried_back(
    context: StepContext,
    action: AnyAction,
    model: Struct,
    before: Struct,
    result: Struct | None,
    attempt: Attempt,
    sink: OutputSink,
) -> Ended:
    work = context.operations(attempt, sink, undo=True)
    try:
        with border(context.step.uses):
            if action.brings_undo:
                action.undo(model, before, result, work)
            for number, act in enumerate(_written(context, action, attempt)):
                _run_act(context, act, number, work)
    except DispatchRefused as refused:
        return Ended("undo_failed", str(refused))
    except TransportError as unknown:
        return Ended("in_doubt" if context.target.dispatched else "undo_failed", str(unknown))
    if not action.brings_undo:
        return Ended("undone")
    with border(context.step.uses):
        verdict = action.undone(model, before, result, context.target)
    if verdict.state != "good":
        return Ended("undo_failed", "undone, but the state before is not back", verdict.evidence)
    return Ended("undone", "", verdict.evidence)


def _covering(context: StepContext, action: AnyAction, attempt: Attempt) -> int:
    """Return the later attempt whose way back was that of this one as well, 0 if there is none.

    A written way back says how the step is undone, and not how an attempt is: a second time it could do harm.
    """
    if action.brings_undo:
        return 0
    later = [a for a in context.at.attempts if a.number > attempt.number and a.may_have_changed]
    if _is_doubtful(attempt) and _was_told_to(context):
        # Whoever says so when a later one is back already means this one.
        later = [a for a in later if a.undone is None]
    return max((a.number for a in later), default=0)


def _written(context: StepContext, action: AnyAction, attempt: Attempt) -> tuple[PlannedAct, ...]:
    """Return the written steps: once for all attempts, behind the oldest state that the action brings back."""
    is_last = not action.brings_undo or min(_standing(context), default=attempt.number) == attempt.number
    return context.step.undo if is_last and isinstance(context.step.undo, tuple) else ()


def _run_act(context: StepContext, act: PlannedAct, number: int, work: Operations) -> None:
    """Run one written undo step as operations of this undo. Raises ActionError if it fails."""
    info = context.info(act.uses)
    bound = bind(context.services, info, act.with_, context.names)
    if info.is_probe:
        verdict = check(context, (act,))
        if verdict.state != "good":
            raise ActionError(f"the undo step {act.title or act.uses} is {verdict.state}", where=context.place)
        return
    action = context.services.catalogue.action(act.uses)
    seen = action.inspect(bound.model, context.target)
    before = getattr(seen, "before", None)
    if before is None:
        raise ActionError(getattr(seen, "why", "refused"), where=act.title or act.uses)
    action.apply(bound.model, before, Renamed(work, f"{WRITTEN}{number}"))


class Renamed:
    """A `Work` whose operations bear a prefix, so that several written steps do not share names."""

    def __init__(self, work: Operations, prefix: str) -> None:
        self._work = work
        self._prefix = prefix
        self.target = work.target
        self.sink = work.sink
        self.cancel = work.cancel
        self.receipts: dict[str, dict[str, Json]] = {}
        self.run = work.run
        self.progress = work.progress

    @property
    def rate(self) -> float | None:
        """What an operator has set."""
        return self._work.rate

    def op(self, name: str, intent: Mapping[str, Json], body: Callable[[OpKey], Mapping[str, Json]]) -> dict[str, Json]:
        """Carry out one operation under the prefixed name."""
        return self._work.op(f"{self._prefix}-{name}", intent, body)


def drifted(
    context: StepContext,
    action: AnyAction,
    model: Struct,
    before: Struct,
    result: Struct | None,
    attempt: Attempt,
) -> Verdict:
    """Tell whether the target still is as the step left it."""
    if action.brings_undo:
        with border(context.step.uses):
            return action.drift(model, before, result, context.target)
    finished = attempt.finished
    if not context.step.checks or finished is None or not finished.verified:
        # What a failed command left behind has no recorded after-state to compare with.
        return Verdict("good", ("the step has no recorded after-state",))
    return check(context, context.step.checks, once=True)


def result_of(action: AnyAction, attempt: Attempt) -> Struct | None:
    """Return what `apply` gave, None if it did not come to its end."""
    if attempt.finished is None or not attempt.finished.result:
        return None
    result, faults = convert(thaw(cast("Json", attempt.finished.result)), action.result)
    return None if faults else result


def run_again(context: StepContext) -> None:
    """Run an activating step again after what it activates was undone, and verify it."""
    number = context.at.next_attempt
    open_again = [a for a in context.at.attempts if a.again and a.undo_open]
    if open_again:
        number = open_again[-1].number
    context.phase("undoing", "run again, so that what was undone takes effect")
    if not open_again:
        context.record(f.UndoStarted(step=context.step.id, target=context.place, attempt=number))
    known = open_again[-1] if open_again else Attempt(number, "change", again=True)
    sink = context.sink(number, undo=True)
    try:
        ended = _again(context, known, sink)
    finally:
        output = sink.close()
    context.record(
        f.UndoFinished(
            step=context.step.id,
            target=context.place,
            attempt=number,
            status=ended.status,
            error=ended.error,
            evidence=list(ended.evidence),
            output=output,
        )
    )
    if ended.status != "in_doubt":
        forget(context, known)


def _again(context: StepContext, attempt: Attempt, sink: OutputSink) -> Ended:
    first = next((a for a in context.at.attempts if a.planned is not None), None)
    if first is None:
        return Ended("undo_failed", "the step was never planned")
    action = context.services.catalogue.action(context.step.uses)
    try:
        model, before = unpack(context, action, first)
        if attempt.undo_operations:
            found = settle_operations(context, action, model, before, attempt, attempt.undo_operations, undo=True)
            if found.open:
                return Ended("in_doubt", "it was interrupted, and its outcome is unknown", found.evidence)
            attempt = replace(attempt, undo_operations=found.operations)
        else:
            with border(context.step.uses):
                seen = action.inspect(model, context.target)
            if isinstance(seen, Refuse):
                return Ended("undo_failed", seen.why)
            before = seen.before
        with border(context.step.uses):
            result = action.apply(model, before, context.operations(attempt, sink, undo=True))
            verdict = verify(context, action, model, before, result)
    except JournalError:
        raise
    except DispatchRefused as refused:
        return Ended("undo_failed", str(refused))
    except TransportError as unknown:
        return Ended("in_doubt" if context.target.dispatched else "undo_failed", str(unknown))
    except RunbookError as failed:
        return Ended("undo_failed", str(failed))
    if verdict.state != "good":
        return Ended("undo_failed", "it ran again, but its check is not good", verdict.evidence)
    return Ended("undone", "", verdict.evidence)
