"""The way back: which changes are undone in which order, and what comes next on it."""

from __future__ import annotations

from collections.abc import Iterable

from runbook.engine import question as ask
from runbook.engine.move import Ask, Claim, GoBack, Move, Rest, Undo
from runbook.events.fact import DecisionMade
from runbook.events.state import RunState
from runbook.model.plan import Plan


def way_back(plan: Plan, state: RunState, changes: Iterable[tuple[str, str, int]]) -> tuple[tuple[str, ...], ...]:
    """Return the order of undoing: backwards through what was changed, each activating step again after it.

    An activating step is run again where a step that it activates was undone and it had itself run.
    """
    chosen = list(changes)
    back: list[tuple[str, ...]] = []
    for step, target, _ in reversed(chosen):
        if (step, target) not in back:
            back.append((step, target))
    undone = set(back)
    ran = [(step, target) for step, target, _ in state.changes]
    again: list[tuple[str, ...]] = []
    for unit in plan.units:
        for each in unit.steps:
            scoped = {f"{each.scope}/{name}" if each.scope else name for name in each.source.activates}
            again.extend(
                (each.id, host, "again")
                for host in each.hosts
                if any((name, host) in undone for name in scoped) and (each.id, host) in ran
            )
    return (*back, *again)


def back_from(plan: Plan, state: RunState, decision: DecisionMade) -> GoBack:
    """Return the way back that a person chose in a menu: one step where it stands, or all of the run.

    A step that waits has changed nothing: another one is meant then, the latest if none is named.
    """
    everything = decision.choice == "undo_all"
    step, places = decision.step, decision.places
    if decision.kind == "proceed":
        step = str(decision.values.get("step") or ask.latest_change(state))
        places = [target for name, target, _ in state.standing if name == step]
    chosen = [c for c in state.standing if everything or (c[0] == step and c[1] in places)]
    return GoBack(way_back(plan, state, chosen), everything, decision.reason or f"{decision.choice} was chosen")


def undo_moves(plan: Plan, state: RunState, unanswered: frozenset[str]) -> tuple[Move, ...]:
    """Return the next undo moves: one step at a time, all its hosts together; the first that fails is asked about."""
    failed = next(((step, target) for step, target, _ in state.undo_left if _is_stuck(state, step, target)), None)
    if failed is not None:
        question = ask.stuck(*failed, state)
        if question.id in unanswered:
            return (Rest("undo_incomplete", state.at(*failed).error),)
        return () if question.id in state.questions else (Ask(question),)
    if state.undo_bad:
        return (Rest("undo_incomplete", _first_error(state)),)
    if not state.undo_left:
        in_abort = state.aborted and (not state.sessions or state.sessions[-1].mode != "undo")
        return (Rest("aborted" if in_abort else "undone"),)
    step_id, _, again = state.undo_left[0]
    targets = [target for step, target, more in state.undo_left if step == step_id and more == again]
    strange = [t for t in targets if _has_drifted(state, step_id, t)]
    if strange:
        question = ask.drift(step_id, strange[0], state)
        if question.id in unanswered:
            return (Rest("undo_incomplete", question.title),)
        return () if question.id in state.questions else (Ask(question),)
    unclaimed = tuple(t for t in targets if t not in state.claimed and t in plan.hosts)
    if unclaimed:
        return (Claim(unclaimed),)
    return tuple(Undo(step_id, target, bool(again)) for target in targets)


def _is_stuck(state: RunState, step: str, target: str) -> bool:
    ends = [a.undone.status for a in state.at(step, target).attempts if a.undone is not None]
    return "undo_failed" in ends or "in_doubt" in ends


def _has_drifted(state: RunState, step: str, target: str) -> bool:
    return any(a.undone is not None and a.undone.status == "drifted" for a in state.at(step, target).attempts)


def _first_error(state: RunState) -> str:
    return next((at.error for at in state.steps.values() if at.status == "undo_failed" and at.error), "")
