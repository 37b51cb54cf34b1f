"""What follows a failure: retries, the policy of the step, the menu, and where a stopped run comes to rest."""

from __future__ import annotations

from runbook.engine import question as ask
from runbook.engine.move import Ask, GoBack, Move, Rest, Retry
from runbook.engine.undoing import way_back
from runbook.events.state import RunState, StepState
from runbook.events.status import BAD, RunStatus
from runbook.model.plan import Plan, PlannedStep


def handled(step: PlannedStep, at: StepState, override: str) -> bool:
    """Tell whether the run may go on after this failure: by policy, or because a person said so."""
    if at.status not in BAD:
        return False
    if at.by_hand:
        return True
    goes_on = policy_of(step, override) == "continue" or goto_of(step, override) != ""
    return goes_on and retry_of(step, "", at) is None


def failure_moves(
    plan: Plan,
    step: PlannedStep,
    bad: tuple[str, ...],
    places: tuple[str, ...],
    state: RunState,
    override: str,
    unanswered: frozenset[str],
    names: ask.NamesAt,
) -> tuple[Move, ...]:
    """Return what follows the failure of a step in these places."""
    retries = tuple(m for p in bad if (m := retry_of(step, p, state.at(step.id, p))) is not None)
    if retries:
        return retries
    policy = policy_of(step, override)
    if policy == "undo" and state.standing:
        return (GoBack(way_back(plan, state, state.standing), abort=True, reason=f"{step.id} failed"),)
    if policy in ("stop", "undo"):
        return (resting_after_stop(state),)
    question = ask.failure(step, bad, places, state, names)
    if question.id in unanswered:
        return (resting_after_stop(state),)
    if any(q.kind == "failure" and q.step == step.id and q.id not in unanswered for q in state.questions.values()):
        # What failed meanwhile is asked about when this is answered: the answer changes what there is to ask.
        return ()
    return (Ask(question),)


def policy_of(step: PlannedStep, override: str) -> str:
    """Return the policy that holds: the command line answers `ask`, and may only make the others stricter."""
    written = step.on_failure
    if written == "ask":
        return override or "ask"
    if override == "stop" and (written == "continue" or written.startswith("goto:")):
        return "stop"
    return written


def goto_of(step: PlannedStep, override: str) -> str:
    """Return where the run goes on after a failure of the step; empty if it goes nowhere."""
    _, is_goto, to = policy_of(step, override).partition("goto:")
    return to.strip() if is_goto else ""


def retry_of(step: PlannedStep, place: str, at: StepState) -> Retry | None:
    """Return the next attempt that the playbook allows; None if it is a person's turn.

    A change is tried again only if provably nothing was sent, or if the playbook says that twice does no harm.
    """
    rule = step.source.retry
    if rule is None or at.status not in ("failed", "timed_out", "unreachable"):
        return None
    done = sum(1 for a in at.attempts if not a.again)
    last = at.attempt
    finished = last.finished if last is not None else None
    if finished is None or done > rule.limit:
        return None
    if step.effect != "read" and finished.dispatched and not step.source.idempotent:
        return None
    causes = {f"exit:{finished.exit}"}
    causes |= {"connect"} if at.status == "unreachable" else set()
    causes |= {"timeout"} if at.status == "timed_out" else set()
    if not causes & set(rule.on):
        return None
    return Retry(step.id, place, at.next_attempt, rule.delay * rule.backoff ** (done - 1))


def resting_after_stop(state: RunState) -> Rest:
    """Return the status of a run that was stopped by a failure or a person."""
    ends = {at.status for at in state.steps.values() if at.status in BAD or at.status == "in_doubt"}
    breached = next((f"guard {name} was breached" for name, guard in state.guards.items() if guard.breached), "")
    why = breached or next((at.error for at in state.steps.values() if at.status in BAD and at.error), "")
    status: RunStatus = "failed"
    if "in_doubt" in ends:
        status = "in_doubt"
    elif state.aborted:
        status = "aborted"
    elif ends == {"unreachable"} and _others_did(state):
        status = "partial"
    elif ends and not state.changes:
        if ends <= {"unreachable"}:
            status = "unreachable"
        elif ends <= {"refused"}:
            status = "refused"
    return Rest(status, why)


def _others_did(state: RunState) -> bool:
    """Whether a step that did not reach all its hosts came to a good end on others."""
    short = {step for (step, _), at in state.steps.items() if at.status == "unreachable"}
    return any(step in short and at.status == "succeeded" for (step, _), at in state.steps.items())


def end_of(state: RunState) -> RunStatus:
    """Return the status of a run of which all is over."""
    statuses = {at.status for at in state.steps.values()}
    if "in_doubt" in statuses:
        return "in_doubt"
    if not statuses & BAD:
        # Of a target that was left out nobody says that it is done there.
        return "partial" if state.excluded else "succeeded"
    if statuses <= {"unreachable", "skipped"} and not state.changes:
        return "unreachable"
    return "partial"
