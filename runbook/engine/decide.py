"""Deciding: what comes next, from the plan and the state alone.

Pure, so that a crash, a resume and a test look the same to it. Moves that are under way already are named again
and left out by the caller; `Rest` and questions are carried out only when nothing runs. No move that changes a
target is made twice, because an attempt that was begun is in the state before anything was sent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from msgspec import Struct
from msgspec.structs import replace

from runbook.engine import question as ask
from runbook.engine.condition import conditions_of, holds, is_past
from runbook.engine.failure import end_of, failure_moves, handled, resting_after_stop, retry_of
from runbook.engine.gate import gate, needs_agreement, put
from runbook.engine.guard import watch_moves
from runbook.engine.jump import broken, jumps
from runbook.engine.move import Away, Begin, Claim, Conclude, Fail, Hold, Inspect, Move, Rest, Settle, Skip
from runbook.engine.place import places_in
from runbook.engine.undoing import back_from, undo_moves
from runbook.errors import RunbookError
from runbook.events.state import PENDING, RunState, StepState
from runbook.events.status import BAD
from runbook.model.plan import Plan, PlannedStep, Unit

NamesAt = Callable[[RunState, PlannedStep, str], Mapping[str, object]]


class Rules(Struct, frozen=True, kw_only=True):
    """How this session goes about the plan."""

    names: NamesAt
    guided: bool = False
    on_failure: str = ""
    unanswered: frozenset[str] = frozenset()
    """Ids of questions that nobody answered in this session."""
    first: int = 0
    """The units before this one are known to be over."""
    away: Mapping[str, Away] = {}
    """The targets that could not be reached or claimed, since somebody last decided about them."""
    jumping: tuple[tuple[int, PlannedStep], ...] | None = None
    """What `jump.jumping` says of the plan; None to look it up."""


def decide(plan: Plan, state: RunState, rules: Rules) -> tuple[Move, ...]:
    """Return what comes next; nothing if all that can be done is under way."""
    orphans = _orphans(plan, state, rules)
    if orphans and state.steering != "cancel":
        return _back_elsewhere(plan, state, rules, orphans)
    if state.steering in ("cancel", "interrupt"):
        return (Rest("interrupted", f"{state.steering} was asked for"),)
    if state.steering == "pause":
        return (Rest("paused", _paused_by(state)),)
    if state.going_back is not None:
        return (back_from(plan, state, state.going_back),)
    if state.undo_asked and (state.undo_left or state.aborted or ask.is_walked_back(state)):
        back = undo_moves(plan, state, rules.unanswered, rules.away)
        # What has no way back may still be in doubt: the run is not over before that is settled.
        is_over = any(isinstance(move, Rest) and move.status in ("undone", "aborted") for move in back)
        return (_doubts(plan, state, rules) or back) if is_over else back
    if state.stopped:
        return (resting_after_stop(state),)
    if state.aborted:
        # Somebody ended the run while it rested: only what is in doubt is still asked about.
        return _doubts(plan, state, rules) or (resting_after_stop(state),)
    watched = watch_moves(plan, state)
    if watched:
        return watched
    skips = jumps(plan, state, rules.on_failure, rules.jumping)
    if skips:
        return skips
    for unit in plan.units[rules.first :]:
        moves = _unit(plan, unit, state, rules)
        if moves is not None:
            return moves
    return (Rest(end_of(state), ""),)


def _back_elsewhere(plan: Plan, state: RunState, rules: Rules, orphans: tuple[Move, ...]) -> tuple[Move, ...]:
    """Return what settles orphans; where none of them can be reached a way back goes on at all other targets."""
    if not isinstance(orphans[0], Rest) or state.steering or not (state.undo_asked and state.undo_left):
        return orphans
    back = undo_moves(plan, state, rules.unanswered, rules.away)
    return orphans if any(isinstance(move, Rest) for move in back) else back


def _doubts(plan: Plan, state: RunState, rules: Rules) -> tuple[Move, ...]:
    for step in (step for unit in plan.units for step in unit.steps):
        places = tuple(
            place for (name, place), at in state.steps.items() if name == step.id and at.status == "in_doubt"
        )
        if places:
            return put(ask.doubt(step, places, state, rules.names), state, rules.unanswered, "in_doubt")
    return ()


def _paused_by(state: RunState) -> str:
    breached = [name for name, guard in state.guards.items() if guard.breached]
    return f"guard {breached[0]} was breached" if breached else "pause was asked for"


def first_open(plan: Plan, state: RunState, first: int, override: str = "") -> int:
    """Return the position of the first unit that is not over; those before `first` are known to be.

    A unit that is over stays so until somebody decides or undoes something.
    """
    while first < len(plan.units) and _is_over(plan.units[first], state, override):
        first += 1
    return first


def _is_over(unit: Unit, state: RunState, override: str) -> bool:
    lost = broken(unit, state)
    return all(
        _all_over(unit, step, places_of(unit, step, wave, state), lost, state, override)
        for wave in range(len(unit.waves))
        for step in unit.steps
    )


def places_of(unit: Unit, step: PlannedStep, wave: int, state: RunState) -> tuple[str, ...]:
    """Return where a step runs in a wave (counted from 0), without excluded hosts."""
    places = places_in(unit, step, wave)
    return tuple(place for place in places if place not in state.excluded) if state.excluded else places


def _unit(plan: Plan, unit: Unit, state: RunState, rules: Rules) -> tuple[Move, ...] | None:
    """Return the moves of the first step of the unit that is not over; None if the unit is."""
    lost = broken(unit, state)
    out = _out(unit, state) if unit.max_unavailable is not None and len(lost) <= unit.max_unavailable else frozenset()
    for wave in range(len(unit.waves)):
        if (
            wave
            and unit.pause
            and state.at(unit.id, f"#{wave}").status != "succeeded"
            and _wave_begun(unit, wave, state)
        ):
            return (Hold(unit.id, wave, unit.pause),)
        for step in unit.steps:
            places = places_of(unit, step, wave, state)
            if out:
                places = tuple(p for p in places if p not in out or state.at(step.id, p).status in BAD)
            if not _all_over(unit, step, places, lost, state, rules.on_failure):
                return _step(plan, unit, wave, step, places, lost, state, rules)
    return None


def _wave_begun(unit: Unit, wave: int, state: RunState) -> bool:
    """Whether the wave before did anything at all: there is no pause after a skipped wave."""
    first = unit.steps[0]
    return any(state.at(first.id, place).status != "skipped" for place in places_in(unit, first, wave - 1))


def _out(unit: Unit, state: RunState) -> frozenset[str]:
    """Return the hosts of a unit that go no further, because a step failed there."""
    return frozenset(h for step in unit.steps for h in step.hosts if state.at(step.id, h).status in BAD)


def _all_over(
    unit: Unit, step: PlannedStep, places: tuple[str, ...], lost: frozenset[str], state: RunState, override: str
) -> bool:
    # Looked at for all hosts of a fleet whenever one of them ends: a plain loop over the facts costs least.
    known, name = state.steps, step.id
    for place in places:
        at = known.get((name, place), PENDING)
        if at.status != "succeeded" and not _over(unit, step, at, lost, override):
            return False
    return True


def _over(unit: Unit, step: PlannedStep, at: StepState, lost: frozenset[str], override: str) -> bool:
    if at.status in ("skipped", "succeeded"):
        return True
    if at.status not in BAD:
        return False
    # A limit is about hosts: what runs once cannot be spared.
    spared = unit.max_unavailable is not None and not step.once and len(lost) <= unit.max_unavailable
    return (spared and retry_of(step, "", at) is None) or handled(step, at, override)


def _step(
    plan: Plan,
    unit: Unit,
    wave: int,
    step: PlannedStep,
    places: tuple[str, ...],
    lost: frozenset[str],
    state: RunState,
    rules: Rules,
) -> tuple[Move, ...]:
    # As in `_all_over`: a loop, and one over all of them.
    known, name = state.steps, step.id
    running = 0
    pending: list[str] = []
    others: list[tuple[str, StepState]] = []
    for place in places:
        at = known.get((name, place), PENDING)
        status = at.status
        if status in ("running", "verifying", "undoing"):
            running += 1
        elif status in ("pending", "waiting"):
            pending.append(place)
        elif status != "succeeded":
            others.append((place, at))
    doubtful = tuple(p for p, at in others if at.status == "in_doubt")
    bad = tuple(
        (p, at)
        for p, at in others
        if (at.status in BAD or at.status in ("undone", "undo_failed"))
        and not _over(unit, step, at, lost, rules.on_failure)
    )
    if bad or doubtful:
        if pending and not doubtful and (_goes_on_reading(step, rules) or _were_only_away(unit, bad)):
            return _forward(unit, wave, step, tuple(pending), running, lost, state, rules)
        if running:
            return ()
        if doubtful:
            return put(ask.doubt(step, doubtful, state, rules.names), state, rules.unanswered, "in_doubt")
        where = tuple(p for p, _ in bad)
        return failure_moves(plan, step, where, places, state, rules.on_failure, rules.unanswered, rules.names)
    return _forward(unit, wave, step, tuple(pending), running, lost, state, rules)


def _goes_on_reading(step: PlannedStep, rules: Rules) -> bool:
    return step.effect == "read" and not rules.guided


def _were_only_away(unit: Unit, bad: tuple[tuple[str, StepState], ...]) -> bool:
    """Whether nothing was sent where a step came to no good end: that says nothing about the other hosts.

    Waves and a limit are there to stop early, and do.
    """
    return len(unit.waves) == 1 and unit.max_unavailable is None and all(at.status == "unreachable" for _, at in bad)


def _forward(
    unit: Unit,
    wave: int,
    step: PlannedStep,
    pending: tuple[str, ...],
    running: int,
    broken_by_now: frozenset[str],
    state: RunState,
    rules: Rules,
) -> tuple[Move, ...]:
    """Return what brings the pending places of a step forward; where its condition does not hold it is skipped."""
    told = _conditions(unit, step, pending, state, rules)
    return told or _go(unit, wave, step, pending, running, _room(unit, step, running, broken_by_now), state, rules)


def _conditions(
    unit: Unit, step: PlannedStep, pending: tuple[str, ...], state: RunState, rules: Rules
) -> tuple[Move, ...]:
    """Return skips and failures of the places where a condition does not hold or cannot be told.

    Asked until something was sent: a step of an approved stage is planned long before its turn.
    """
    conditions = conditions_of(unit, step)
    if not conditions:
        return ()
    moves: list[Move] = []
    for place in pending:
        at = state.at(step.id, place)
        if is_past(at):
            continue
        for scope, condition in conditions:
            verdict, why = holds(condition, step, scope, place, state, rules.names)
            if verdict is None:
                moves.append(ask.untellable(step, place, at.next_attempt, condition, why))
                break
            if not verdict:
                moves.append(Skip(step.id, (place,), "when", f"its condition does not hold: {condition}"))
                break
    return tuple(moves)


def _go(
    unit: Unit,
    wave: int,
    step: PlannedStep,
    pending: tuple[str, ...],
    running: int,
    room: int,
    state: RunState,
    rules: Rules,
) -> tuple[Move, ...]:
    """Return what brings the pending places of a step forward; `room` is for how many more of them."""
    if not pending:
        return ()
    if step.kind in ("manual", "ask", "choose"):
        return _person(step, pending[0], state, rules)
    lost = {p: rules.away[p] for p in pending if p in rules.away} if len(step.hosts) > 1 else {}
    if lost:
        # All others would wait once more for one that does not answer. Alone it is tried at every step.
        return _lost(step, lost, state)
    asks = needs_agreement(unit, step, state, rules.guided)
    if step.kind == "action" or asks:
        unseen = [p for p in pending if _is_unseen(state.at(step.id, p))]
        if unseen:
            return tuple(Inspect(step.id, p) for p in unseen[: max(0, step.parallel - running)])
    if asks:
        question = gate(unit, wave, step, pending, state, rules.guided, rules.unanswered, rules.names)
        if question is not None:
            return question
    if step.effect != "read":
        needed = step.hosts if step.once else pending
        unclaimed = tuple(h for h in needed if h not in state.claimed and h not in rules.away)
        if unclaimed:
            return (Claim(unclaimed),)
        lost = {h: rules.away[h] for h in needed if h not in state.claimed}
        if lost:
            # What runs once cannot do without one of them.
            return _lost(step, {pending[0]: next(iter(lost.values()))} if step.once else lost, state)
    return tuple(Begin(step.id, p, state.at(step.id, p).next_attempt) for p in pending[:room])


def _room(unit: Unit, step: PlannedStep, running: int, broken_by_now: frozenset[str]) -> int:
    """Return how many more hosts may begin a step.

    What changes under a limit runs on as many hosts as may yet break, and one: the one that is too many stops the rest.
    """
    room = step.parallel - running
    spare = step.parallel if unit.max_unavailable is None else unit.max_unavailable - len(broken_by_now)
    if step.effect != "read" and spare >= 0:
        room = min(room, spare + 1 - running)
    return max(0, room)


def _lost(step: PlannedStep, lost: Mapping[str, Away], state: RunState) -> tuple[Move, ...]:
    return tuple(Fail(step.id, p, state.at(step.id, p).next_attempt, a.why, a.status, a.ms) for p, a in lost.items())


def _is_unseen(at: StepState) -> bool:
    return at.planned is None or at.stale or at.planned.answer == "later"


def _person(step: PlannedStep, place: str, state: RunState, rules: Rules) -> tuple[Move, ...]:
    number = state.at(step.id, place).next_attempt
    try:
        question = ask.person(step, place, state, rules.names)
    except RunbookError as failed:
        return (Fail(step.id, place, number, str(failed)),)
    replies = {choice.id for choice in question.choices if choice not in (ask.PAUSE, ask.ABORT, ask.SKIP)}
    answered = [d for d in state.decisions if d.question == question.id and d.choice in replies]
    if answered:
        return (Conclude(step.id, place, number, answered[-1]),)
    return put(question, state, rules.unanswered, "waiting")


def _orphans(plan: Plan, state: RunState, rules: Rules) -> tuple[Move, ...]:
    """Return what finds out about attempts whose process is gone; changes among them first claim their targets.

    What cannot be claimed is not touched: the others are settled. On the way forward what cannot be reached is then on
    record as in doubt, so that a person can decide about it; else the run rests in doubt.
    """
    # Most often there is none: the state of a fleet is long, and looked through at every turn.
    found = [(place, at, at.attempt) for place, at in state.steps.items() if at.orphan]
    moves: list[Settle] = []
    for (step, target), at, last in found:
        if last is None:
            continue
        undoing = [a for a in at.attempts if a.undo_open]
        number = undoing[-1].number if undoing else last.number
        moves.append(Settle(step, target, number, undo=bool(undoing)))
    # An older claim may have been taken over since, and what is settled is also carried on.
    unclaimed = {m.target for m in moves if m.target in plan.hosts and m.target not in state.claimed}
    if unclaimed - rules.away.keys():
        return (Claim(tuple(sorted(unclaimed - rules.away.keys()))),)
    within = tuple(m for m in moves if m.target not in unclaimed)
    if moves and not within:
        forward = not (state.undo_asked or state.aborted) and state.going_back is None
        unseen = tuple(
            replace(m, away=rules.away[m.target].why)
            for m in moves
            if forward and not m.undo and rules.away[m.target].status == "unreachable"
        )
        if unseen:
            return unseen
        return (Rest("in_doubt", next(rules.away[name].why for name in sorted(unclaimed))),)
    return within
