"""The fold: state is nothing but the facts, one after the other.

Total and pure: any fact may follow any other, and a fact that makes no sense where it stands changes little
rather than failing, because a damaged or foreign journal must still be readable.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, assert_never

from msgspec.structs import replace

from runbook.events import fact as f
from runbook.events.decision import decided, looked_again
from runbook.events.plain import thaw
from runbook.events.state import Attempt, GuardState, Operation, Place, RunState, StepState
from runbook.events.status import BAD


def fold(state: RunState, fact: f.Fact) -> RunState:
    """Return the state after one more fact."""
    return replace(_fold(state, fact), facts=state.facts + 1)


def fold_all(facts: Iterable[f.Fact], state: RunState | None = None) -> RunState:
    """Return the state after all of these facts."""
    state = state or RunState()
    for fact in facts:
        state = fold(state, fact)
    return state


def _fold(state: RunState, fact: f.Fact) -> RunState:
    match fact:
        case f.SessionOpened():
            return _opened(state, fact)
        case f.SessionClosed():
            return replace(state, live=False, status=fact.status, handed_over=fact.next_session)
        case f.RunFinished():
            return replace(state, status=fact.status, steering="")
        case f.QuestionAsked():
            return _asked(state, fact)
        case f.DecisionMade():
            return decided(state, fact)
        case f.SteeringAsked():
            return replace(state, steering="" if fact.what == "continue" else fact.what)
        case f.NoteWritten():
            return replace(state, notes=(*state.notes, fact))
        case f.LeaseClaimed():
            return _claimed(state, fact)
        case f.LeaseReturned():
            return replace(state, leases=state.leases - {fact.target}, claimed=state.claimed - {fact.target})
        case f.UndoAsked():
            left = tuple((entry[0], entry[1], "".join(entry[2:])) for entry in fact.steps if len(entry) > 1)
            fresh = {place[:2]: looked_again(state.at(*place[:2])) for place in left}
            return replace(
                state,
                steps=state.steps | fresh,
                undo_left=left,
                undo_asked=True,
                going_back=None,
                breach=None,
                undo_bad=False,
                stopped=False,
                aborted=state.aborted or fact.abort,
                questions={},
            )
        case f.BaselineTaken():
            return replace(state, baselines=state.baselines | {fact.baseline: fact})
        case f.GuardSampled():
            return replace(state, guards=state.guards | {fact.guard: _sampled(state.guards.get(fact.guard), fact)})
        case f.GuardBreached():
            return _breached(state, fact)
        case f.JournalRepaired() | f.ListenerFailed() | f.SecretFound() | f.TargetMet():
            return state
        case _:
            return _step(state, fact)


def _sampled(guard: GuardState | None, fact: f.GuardSampled) -> GuardState:
    old = guard or GuardState()
    return replace(
        old,
        bad=old.bad + 1 if fact.state == "bad" else 0,
        missing=old.missing + 1 if fact.state == "no data" else 0,
        last=fact,
    )


def _breached(state: RunState, fact: f.GuardBreached) -> RunState:
    guard = replace(state.guards.get(fact.guard, GuardState()), breached=True)
    state = replace(state, guards=state.guards | {fact.guard: guard}, deviated=True)
    match fact.response:
        case "pause":
            return replace(state, steering=state.steering or "pause")
        case "stop":
            return replace(state, stopped=True)
        case _:
            return replace(state, breach=fact)


BYSTANDERS = frozenset({"note", "decide", "handover", "adopt"})
"""Sessions that put something on record and carry nothing out."""


def _opened(state: RunState, fact: f.SessionOpened) -> RunState:
    if fact.mode in BYSTANDERS:
        aside = replace(state, live=True, sessions=(*_joined(state.sessions, fact), fact))
        if fact.mode != "adopt":
            return aside
        name = str(fact.options.get("bundle") or fact.options.get("copy") or "")
        return replace(aside, handed_over="", copy=name, held=state.held if name == state.copy else frozenset())
    steps = {place: _orphaned(step) for place, step in state.steps.items()}
    baselines = state.baselines
    # A way back that came to a bad end is looked at anew by whoever takes it up.
    steps |= {entry[:2]: looked_again(steps[entry[:2]]) for entry in state.undo_left if entry[:2] in steps}
    if fact.mode == "resume":
        left = _left_to_a_person(state)
        stays = {place for place in steps if place in left or place[1] in state.excluded}
        steps = {place: step if place in stays else _tried_anew(step) for place, step in steps.items()}
        if state.going_back is None:
            # What a person has said to be led back is looked at on the way back.
            steps = {place: _looked_at_anew(step) for place, step in steps.items()}
        # What was never known may be known by now; else a guard that compares with it would pause for ever.
        baselines = {name: taken for name, taken in baselines.items() if taken.state == "good"}
    return replace(
        state,
        status="running",
        live=True,
        handed_over="",
        sessions=(*state.sessions, fact),
        steps=steps,
        questions={},
        stopped=False,
        steering="",
        run_on=False,
        taken_up=fact.mode == "resume" and fact.options.get("guided") is True,
        undo_bad=False,
        # What was decided while the run rested is carried out when it is taken up again.
        going_back=state.going_back if fact.mode == "resume" else None,
        baselines=baselines,
        guards={},
        breach=None,
        claimed=frozenset(),
    )


def _joined(sessions: tuple[f.SessionOpened, ...], late: f.SessionOpened) -> tuple[f.SessionOpened, ...]:
    """Return the sessions, the first one with what was heard of hosts only later: it is how the run began on all."""
    told = {host["name"]: host for host in late.hosts if isinstance(host, dict) and isinstance(host.get("name"), str)}
    if not sessions or not told:
        return sessions
    hosts = [told.get(str(host.get("name")), host) if isinstance(host, dict) else host for host in sessions[0].hosts]
    return (replace(sessions[0], hosts=hosts, host_params=sessions[0].host_params | late.host_params), *sessions[1:])


def _claimed(state: RunState, fact: f.LeaseClaimed) -> RunState:
    before = state.boots.get(fact.target, "")
    moved = fact.target in state.leases and (fact.anew or (before and fact.boot and before != fact.boot))
    return replace(
        state,
        leases=state.leases | {fact.target},
        claimed=state.claimed | {fact.target},
        held=state.held | {fact.target},
        boots=state.boots | {fact.target: fact.boot} if fact.boot else state.boots,
        steps=state.steps | _uprooted(state, fact.target) if moved else state.steps,
    )


def _uprooted(state: RunState, target: str) -> dict[Place, StepState]:
    """Return the steps in a place with their open operations marked: of these, a missing job folder says nothing."""
    return {
        place: replace(
            at,
            attempts=tuple(
                replace(one, uprooted=True)
                if any(op.receipt is None for op in (*one.operations, *one.undo_operations))
                else one
                for one in at.attempts
            ),
        )
        for place, at in state.steps.items()
        if place[1] == target and at.attempts
    }


def _left_to_a_person(state: RunState) -> frozenset[Place]:
    """Return where somebody saw a failure and has yet to say what follows: the menu was put aside, or is open."""
    last: dict[Place, str] = {}
    for made in state.decisions:
        if made.kind == "failure":
            last |= dict.fromkeys(((made.step, place) for place in made.places), made.choice)
    paused = {place for place, choice in last.items() if choice == "pause"}
    carried = [session for session in state.sessions if session.mode not in BYSTANDERS]
    if carried and carried[-1].options.get("guided"):
        menus = [question for question in state.questions.values() if question.kind == "failure"]
        paused |= {(menu.step, place) for menu in menus for place in menu.places}
    return frozenset(paused)


def _tried_anew(step: StepState) -> StepState:
    """A resumed run looks again where a step failed and provably changed nothing; all else waits for a person."""
    if step.status not in BAD or step.by_hand or any(a.may_have_changed for a in step.attempts):
        return step
    return replace(step, status="pending", stale=True, error="", evidence=())


def _looked_at_anew(step: StepState) -> StepState:
    """A resumed run looks first at what is in doubt, and at what came to its end and could not be verified then."""
    last = step.attempt
    if last is None or last.finished is None or last.undone is not None or step.by_hand or step.orphan:
        return step
    doubtful = step.status == "in_doubt" and last.finished.status == "in_doubt"
    return replace(step, orphan=True) if doubtful or is_unseen(step) else step


def is_unseen(step: StepState) -> bool:
    """Whether the change is known to be done, and nothing is known of its check: a new session looks, and runs nothing.

    A person who has said what became of it is believed.
    """
    last = step.attempt
    if last is None or last.undone is not None or step.by_hand:
        return False
    done = bool(last.operations) and all(operation.receipt is not None for operation in last.operations)
    return step.status == "failed" and last.may_have_changed and done and last.seen == "no data"


def _orphaned(step: StepState) -> StepState:
    """A new session: plans are old, and what was open has lost the process that ran it."""
    last = step.attempt
    if last is not None and (last.is_open or last.undo_open):
        if last.effect == "read" and not last.undo_open:
            return replace(step, status="pending", attempts=step.attempts[:-1], stale=True)
        return replace(step, orphan=True, stale=True)
    if step.status in ("running", "waiting", "verifying"):
        return replace(step, status="pending", stale=True)
    return replace(step, stale=True)


def _asked(state: RunState, fact: f.QuestionAsked) -> RunState:
    question = fact.question
    state = replace(state, questions=state.questions | {question.id: question}, status="waiting")
    if question.kind not in ("proceed", "approve", "confirm", "manual", "form", "choose"):
        return state
    # An agreement names every step that it covers; a stage is none.
    pairs = [key.rpartition("@")[::2] for key in question.covers] or [(question.step, p) for p in question.places]
    waiting = {
        (step, place): replace(state.at(step, place), status="waiting")
        for step, place in pairs
        if state.at(step, place).status == "pending"
    }
    return replace(state, steps=state.steps | waiting)


def _step(state: RunState, fact: Any) -> RunState:
    """Fold a fact about one step in one place."""
    place = (fact.step, fact.target)
    old = state.at(*place)
    new = _fold_step(old, fact)
    state = replace(state, steps=state.steps | {place: new})
    match fact:
        case f.AttemptStarted():
            key = (fact.step, fact.target, fact.attempt)
            known = fact.effect == "read" or key in state.changes
            return replace(state, changes=state.changes if known else (*state.changes, key), status="running")
        case f.StepFinished():
            if any(a.number == fact.attempt and not a.may_have_changed for a in new.attempts):
                key = (fact.step, fact.target, fact.attempt)
                return replace(state, changes=tuple(c for c in state.changes if c != key))
            return state
        case f.UndoFinished():
            return _undone(state, place, new, fact)
        case _:
            return state


def _undone(state: RunState, place: tuple[str, str], step: StepState, fact: f.UndoFinished) -> RunState:
    """A place leaves the way back when nothing of it stands; what failed stays on it for the next session."""
    if fact.status not in ("undone", "none"):
        return replace(state, undo_bad=state.undo_bad or fact.status not in ("drifted", "unreachable"))
    again = _is_again(step, fact.attempt)
    if not again and any(key[:2] == place for key in state.standing):
        return state
    left = tuple(e for e in state.undo_left if e[:2] != place or bool(e[2]) != again)
    return replace(state, undo_left=left)


def _is_again(step: StepState, number: int) -> bool:
    return any(a.again for a in step.attempts if a.number == number)


def _fold_step(step: StepState, fact: Any) -> StepState:
    match fact:
        case f.StepSkipped():
            return replace(step, status="skipped", error=fact.reason)
        case f.StepPlanned():
            return replace(step, planned=fact, stale=False)
        case f.ReadStarted():
            return _begin(step, Attempt(fact.attempt, "read"))
        case f.AttemptStarted():
            return _begin(step, Attempt(fact.attempt, fact.effect, step.planned, fact.held_before))
        case f.OperationIntended():
            return _operation(step, fact, lambda ops: (*_without(ops, fact.operation), _open(ops, fact)))
        case f.OperationDone():
            return _operation(step, fact, lambda ops: tuple(_receipt(op, fact) for op in ops))
        case f.VerifyFinished():
            seen = _attempt(step, fact.attempt, lambda a: replace(a, seen=fact.state))
            return replace(seen, status="verifying", verified=fact.state == "good")
        case f.StepFinished():
            return _finished(step, fact)
        case f.PaceSet():
            rate = thaw(fact.rate)
            return replace(step, rate=float(rate) if isinstance(rate, (int, float)) else None)
        case f.UndoStarted():
            return _undo_started(step, fact)
        case f.UndoFinished():
            return _undo_finished(step, fact)
        case _:
            assert_never(fact)


def _begin(step: StepState, attempt: Attempt) -> StepState:
    kept = tuple(a for a in step.attempts if a.number != attempt.number)
    return replace(
        step,
        status="running",
        attempts=(*kept, attempt),
        error="",
        evidence=(),
        verified=False,
        orphan=False,
        by_hand=False,
        values={},
        result={},
    )


def _open(operations: tuple[Operation, ...], fact: f.OperationIntended) -> Operation:
    tries = sum(op.tries for op in operations if op.name == fact.operation)
    return Operation(fact.operation, fact.intent, tries=tries + 1)


def _without(operations: tuple[Operation, ...], name: str) -> tuple[Operation, ...]:
    return tuple(op for op in operations if op.name != name)


def _receipt(operation: Operation, fact: f.OperationDone) -> Operation:
    if operation.name != fact.operation:
        return operation
    return replace(operation, receipt=fact.receipt, settled=fact.settled)


def _operation(step: StepState, fact: Any, change: Any) -> StepState:
    return _attempt(
        step,
        fact.attempt,
        lambda a: (
            replace(a, undo_operations=change(a.undo_operations))
            if fact.undo
            else replace(a, operations=change(a.operations))
        ),
    )


def _attempt(step: StepState, number: int, change: Any) -> StepState:
    return replace(step, attempts=tuple(change(a) if a.number == number else a for a in step.attempts))


def _finished(step: StepState, fact: f.StepFinished) -> StepState:
    step = _attempt(step, fact.attempt, lambda a: replace(a, finished=fact))
    if not any(a.number == fact.attempt for a in step.attempts):
        step = replace(step, attempts=(*step.attempts, Attempt(fact.attempt, fact.effect, step.planned, finished=fact)))
    return replace(
        step,
        status=fact.status,
        values=fact.values,
        result=fact.result,
        error=fact.error,
        evidence=tuple(fact.evidence),
        verified=fact.verified,
        orphan=False,
        output=fact.output or step.output,
    )


def _undo_started(step: StepState, fact: f.UndoStarted) -> StepState:
    if not any(a.number == fact.attempt for a in step.attempts):
        again = Attempt(fact.attempt, "change", step.planned, again=True)
        step = replace(step, attempts=(*step.attempts, again))
    step = _attempt(step, fact.attempt, lambda a: replace(a, undo_open=True, undone=None))
    return replace(step, status="undoing", orphan=False)


def _undo_finished(step: StepState, fact: f.UndoFinished) -> StepState:
    step = _attempt(step, fact.attempt, lambda a: replace(a, undo_open=False, undone=fact))
    # What only ran again, because a step before it was undone, is done as it was.
    only_again = _is_again(step, fact.attempt) and any(a.may_have_changed and a.undone is None for a in step.attempts)
    status = {
        "undone": "succeeded" if only_again else "undone",
        "in_doubt": "in_doubt",
        "none": step.status if step.status != "undoing" else "succeeded",
    }
    return replace(
        step,
        status=status.get(fact.status, "undo_failed"),
        # No check has seen what a bad way back left behind, and what has drifted is not what one saw.
        verified=step.verified and fact.status not in ("undo_failed", "in_doubt", "drifted"),
        error=fact.error,
        evidence=tuple(fact.evidence),
        orphan=False,
        output=fact.output or step.output,
    )
