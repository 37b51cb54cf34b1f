"""What follows a failure: retries, the policy of the step, the menu, and where a stopped run comes to rest."""

from __future__ import annotations

from runbook.engine import question as ask
from runbook.engine.move import Ask, Begin, GoBack, Move, Rest, Skip
from runbook.engine.undoing import way_back
from runbook.events.state import RunState, StepState
from runbook.events.status import BAD, RunStatus
from runbook.model.plan import Plan, PlannedStep


def handled(step: PlannedStep, at: StepState) -> bool:
    """Tell whether the run may go on after this failure: by policy, or because a person said so."""
    return at.status in BAD and (at.by_hand or step.on_failure == "continue")


def failure_moves(
    plan: Plan,
    step: PlannedStep,
    bad: tuple[str, ...],
    places: tuple[str, ...],
    state: RunState,
    override: str,
    unanswered: frozenset[str],
) -> tuple[Move, ...]:
    """Return what follows the failure of a step in these places."""
    retries = tuple(m for p in bad if (m := _retry(step, p, state.at(step.id, p))) is not None)
    if retries:
        return retries
    policy = _policy(step, override)
    if policy == "undo" and state.standing:
        return (GoBack(way_back(plan, state, state.standing), abort=True, reason=f"{step.id} failed"),)
    if policy.startswith("goto:"):
        return goto(plan, step, policy[5:], places, state)
    if policy in ("stop", "undo"):
        return (resting_after_stop(state),)
    question = ask.failure(step, bad, places, state)
    if question.id in unanswered:
        return (resting_after_stop(state),)
    return () if question.id in state.questions else (Ask(question),)


def _policy(step: PlannedStep, override: str) -> str:
    """The command line answers `ask`, and may only make `continue` and `goto` stricter."""
    written = step.on_failure
    if written == "ask":
        return override or "ask"
    if override == "stop" and (written == "continue" or written.startswith("goto:")):
        return "stop"
    return written


def _retry(step: PlannedStep, place: str, at: StepState) -> Begin | None:
    rule = step.source.retry
    if rule is None or at.status not in ("failed", "timed_out", "unreachable"):
        return None
    done = sum(1 for a in at.attempts if not a.again)
    if done > rule.limit or done == 0:
        return None
    last = at.attempt
    finished = last.finished if last is not None else None
    if finished is None:
        return None
    if step.effect != "read" and finished.dispatched and not step.source.idempotent:
        return None
    causes = {f"exit:{finished.exit}"}
    causes |= {"connect"} if at.status == "unreachable" else set()
    causes |= {"timeout"} if at.status == "timed_out" else set()
    if not causes & set(rule.on):
        return None
    return Begin(step.id, place, at.next_attempt, rule.delay * rule.backoff ** (done - 1))


def goto(plan: Plan, step: PlannedStep, to: str, places: tuple[str, ...], state: RunState) -> tuple[Move, ...]:
    """Return the skips of all that lies between a step and the one to go on with."""
    moves: list[Move] = []
    passed = False
    for unit in plan.units:
        if passed and unit.id == to:
            break
        for each in unit.steps:
            if passed and each.id == to:
                return tuple(moves)
            if passed:
                moves.extend(_skip_open(each, _all_places(unit.waves, each), state, to))
            elif each.id == step.id:
                passed = True
                moves.extend(_skip_open(each, places, state, to))
    return tuple(moves)


def _skip_open(step: PlannedStep, places: tuple[str, ...], state: RunState, to: str) -> list[Move]:
    unbegun = tuple(p for p in places if state.at(step.id, p).status in ("pending", "waiting"))
    return [Skip(step.id, unbegun, "goto", f"goes on with {to}")] if unbegun else []


def _all_places(waves: tuple[tuple[str, ...], ...], step: PlannedStep) -> tuple[str, ...]:
    if step.once:
        return ("*",) if len(waves) == 1 else tuple(f"*{n + 1}" for n in range(len(waves)))
    return step.hosts


def resting_after_stop(state: RunState) -> Rest:
    """Return the status of a run that was stopped by a failure or a person."""
    ends = {at.status for at in state.steps.values() if at.status in BAD or at.status == "in_doubt"}
    why = next((at.error for at in state.steps.values() if at.status in BAD and at.error), "")
    status: RunStatus = "failed"
    if state.aborted:
        status = "aborted"
    elif "in_doubt" in ends:
        status = "in_doubt"
    elif ends and not state.changes:
        if ends <= {"unreachable"}:
            status = "unreachable"
        elif ends <= {"refused"}:
            status = "refused"
    return Rest(status, why)
