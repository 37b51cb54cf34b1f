"""The way back: which changes are undone in which order, and what comes next on it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from runbook.engine import question as ask
from runbook.engine.move import Ask, Away, Claim, GoBack, Move, Rest, Undo
from runbook.engine.place import wave_of
from runbook.events.fact import DecisionMade
from runbook.events.state import RunState
from runbook.model.plan import Plan


def way_back(plan: Plan, state: RunState, changes: Iterable[tuple[str, str, int]]) -> tuple[tuple[str, ...], ...]:
    """Return the order of undoing: backwards through what was changed, and so the newest wave of a stage first.

    An activating step is run again where a step that it activates was undone and it had itself run: in a stage before
    the next older wave is touched.
    """
    chosen = list(changes)
    back: list[tuple[str, ...]] = []
    for step, target, _ in reversed(chosen):
        if (step, target) not in back:
            back.append((step, target))
    block = [_block(plan, step, target) for step, target in back]
    ran = {(step, target) for step, target, _ in state.changes}
    behind: dict[int, list[tuple[str, ...]]] = {}
    for unit in plan.units:
        for each in unit.steps:
            scoped = {f"{each.scope}/{name}" if each.scope else name for name in each.source.activates}
            for host in each.hosts if scoped else ():
                last = max((n for n, (name, at) in enumerate(back) if at == host and name in scoped), default=None)
                if last is None or (each.id, host) not in ran:
                    continue
                while last + 1 < len(back) and block[last + 1] == block[last]:
                    last += 1
                behind.setdefault(last, []).append((each.id, host, "again"))
    return tuple(entry for n, one in enumerate(back) for entry in (one, *behind.get(n, ())))


def _block(plan: Plan, step: str, target: str) -> tuple[int, int]:
    """Return the unit and the wave that a change belongs to."""
    for number, unit in enumerate(plan.units):
        if any(each.id == step for each in unit.steps):
            return number, wave_of(unit, target)
    return -1, 0


def back_from(plan: Plan, state: RunState, decision: DecisionMade) -> GoBack:
    """Return the way back that a person chose in a menu: one step where it stands, or all of the run.

    A step that waits, or that failed without a change, leaves nothing to undo: another one is meant then, the latest
    if none is named.
    """
    everything = decision.choice == "undo_all"
    step, places = decision.step, decision.places
    stands = any(name == step and target in places for name, target, _ in state.standing)
    if decision.kind == "proceed" or (decision.kind == "failure" and not stands):
        step = str(decision.values.get("step") or ask.latest_change(state))
        places = [target for name, target, _ in state.standing if name == step]
    chosen = [c for c in state.standing if everything or (c[0] == step and c[1] in places)]
    return GoBack(way_back(plan, state, chosen), everything, decision.reason or f"{decision.choice} was chosen")


def undo_moves(
    plan: Plan, state: RunState, unanswered: frozenset[str], away: Mapping[str, Away] | None = None
) -> tuple[Move, ...]:
    """Return the next undo moves: one step of one wave at a time; the first that fails is asked about.

    A target that cannot be reached holds up no other: what stands there stays on the way back, for a later undo.
    """
    failed = next(((step, target) for step, target, _ in state.undo_left if _is_stuck(state, step, target)), None)
    if failed is not None:
        question = ask.stuck(*failed, state)
        if question.id in unanswered:
            return (Rest("undo_incomplete", state.at(*failed).error),)
        return () if question.id in state.questions else (Ask(question),)
    if state.undo_bad:
        return (Rest("undo_incomplete", _first_error(state)),)
    away = away or {}
    gone = {target for step, target, _ in state.undo_left if _is_unreached(state, step, target)}
    told = tuple(
        Undo(step, target, away=away[target].why)
        for target, (step, _, again) in _next_of_each(state).items()
        if target in away and target not in gone and not again and not state.at(step, target).orphan
    )
    if told:
        return told
    left = [entry for entry in state.undo_left if entry[1] not in gone and entry[1] not in away]
    if not left:
        return (_end(state),)
    step_id, first, again = left[0]
    block = _block(plan, step_id, first)
    targets = [
        target
        for target, entry in _next_of_each(state).items()
        if entry in left and entry[0] == step_id and entry[2] == again and _block(plan, step_id, target) == block
    ]
    strange = [t for t in targets if _has_drifted(state, step_id, t)]
    if strange:
        question = ask.drift(step_id, strange[0], state)
        if question.id in unanswered:
            return (Rest("undo_incomplete", question.title),)
        return () if question.id in state.questions else (Ask(question),)
    unclaimed = tuple(t for t in targets if t not in state.claimed and t in plan.hosts)
    if unclaimed:
        return (Claim(unclaimed),)
    return tuple(Undo(step_id, target, bool(again)) for target in targets[: plan.step(step_id).parallel])


def _next_of_each(state: RunState) -> dict[str, tuple[str, str, str]]:
    """Return what is undone next on each target: nothing there is undone before what came after it."""
    found: dict[str, tuple[str, str, str]] = {}
    for entry in state.undo_left:
        found.setdefault(entry[1], entry)
    return found


def _end(state: RunState) -> Rest:
    """Return how a way back rests on which nothing more can be done."""
    if state.undo_left:
        hosts = list(dict.fromkeys(target for _, target, _ in state.undo_left))
        error = next((e for step, target, _ in state.undo_left if (e := state.at(step, target).error)), "")
        who, back = (hosts[0], "it is back") if len(hosts) == 1 else (f"{len(hosts)} targets", "they are back")
        return Rest(
            "undo_incomplete", f"{who} cannot be reached; undo again when {back}{f': {error}' if error else ''}"
        )
    in_abort = state.aborted and (not state.sessions or state.sessions[-1].mode != "undo")
    return Rest("aborted" if in_abort else "undone")


def _is_unreached(state: RunState, step: str, target: str) -> bool:
    return any(a.undone is not None and a.undone.status == "unreachable" for a in state.at(step, target).attempts)


def _is_stuck(state: RunState, step: str, target: str) -> bool:
    ends = [a.undone.status for a in state.at(step, target).attempts if a.undone is not None]
    return "undo_failed" in ends or "in_doubt" in ends


def _has_drifted(state: RunState, step: str, target: str) -> bool:
    return any(a.undone is not None and a.undone.status == "drifted" for a in state.at(step, target).attempts)


def _first_error(state: RunState) -> str:
    return next((at.error for at in state.steps.values() if at.status == "undo_failed" and at.error), "")
