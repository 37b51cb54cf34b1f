"""Deciding: what comes next, from the plan and the state alone.

Pure, so that a crash, a resume and a test look the same to it. Moves that are under way already are named again
and left out by the caller; `Rest` and questions are carried out only when nothing runs. No move that changes a
target is made twice, because an attempt that was begun is in the state before anything was sent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from msgspec import Struct

from runbook.engine import question as ask
from runbook.engine.failure import failure_moves, handled, resting_after_stop
from runbook.engine.move import Ask, Begin, Claim, Conclude, Hold, Inspect, Move, Rest, Settle, Skip
from runbook.engine.undoing import back_from, undo_moves
from runbook.errors import RunbookError
from runbook.events.state import RunState, StepState
from runbook.events.status import BAD
from runbook.expression import compile_expression
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


def decide(plan: Plan, state: RunState, rules: Rules) -> tuple[Move, ...]:
    """Return what comes next; nothing if all that can be done is under way."""
    orphans = _orphans(state)
    if orphans and state.steering != "cancel":
        return orphans
    if state.steering in ("cancel", "interrupt"):
        return (Rest("interrupted", f"{state.steering} was asked for"),)
    if state.steering == "pause":
        return (Rest("paused", "pause was asked for"),)
    if state.going_back is not None:
        return (back_from(plan, state, state.going_back),)
    if state.undo_asked and (state.undo_left or state.aborted or _is_undo_session(state)):
        return undo_moves(plan, state, rules.unanswered)
    if state.stopped:
        return (resting_after_stop(state),)
    for unit in plan.units[rules.first :]:
        moves = _unit(plan, unit, state, rules)
        if moves is not None:
            return moves
    return (Rest(_end(state), ""),)


def first_open(plan: Plan, state: RunState, first: int) -> int:
    """Return the position of the first unit that is not over; those before `first` are known to be.

    A unit that is over stays so until somebody decides or undoes something.
    """
    while first < len(plan.units) and _is_over(plan.units[first], state):
        first += 1
    return first


def _is_over(unit: Unit, state: RunState) -> bool:
    broken = _broken(unit, state)
    return all(
        _over(unit, step, state.at(step.id, place), broken)
        for wave in range(len(unit.waves))
        for step in unit.steps
        for place in places_of(unit, step, wave, state)
    )


def places_of(unit: Unit, step: PlannedStep, wave: int, state: RunState) -> tuple[str, ...]:
    """Return where a step runs in a wave (counted from 0), without excluded hosts."""
    if step.once:
        return ("*",) if len(unit.waves) == 1 else (f"*{wave + 1}",)
    hosts = unit.waves[wave] if step.hosts == unit.hosts else tuple(h for h in step.hosts if h in unit.waves[wave])
    return tuple(host for host in hosts if host not in state.excluded)


def _unit(plan: Plan, unit: Unit, state: RunState, rules: Rules) -> tuple[Move, ...] | None:
    """Return the moves of the first step of the unit that is not over; None if the unit is."""
    broken = _broken(unit, state)
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
            if unit.max_unavailable is not None and len(broken) <= unit.max_unavailable:
                places = tuple(p for p in places if p not in broken or state.at(step.id, p).status in BAD)
            if all(_over(unit, step, state.at(step.id, p), broken) for p in places):
                continue
            return _step(plan, unit, wave, step, places, state, rules)
    return None


def _wave_begun(unit: Unit, wave: int, state: RunState) -> bool:
    """Whether the wave before did anything at all: there is no pause after a skipped wave."""
    first = unit.steps[0]
    return any(state.at(first.id, host).status != "skipped" for host in unit.waves[wave - 1])


def _broken(unit: Unit, state: RunState) -> frozenset[str]:
    """Return the hosts of a unit with a limit that this run has broken."""
    if unit.max_unavailable is None:
        return frozenset()
    bad = {h for step in unit.steps for h in step.hosts if state.at(step.id, h).status in BAD}
    return frozenset(bad - state.excluded)


def _over(unit: Unit, step: PlannedStep, at: StepState, broken: frozenset[str]) -> bool:
    if at.status in ("skipped", "succeeded"):
        return True
    if at.status in BAD:
        tolerated = unit.max_unavailable is not None and len(broken) <= unit.max_unavailable
        return tolerated or handled(step, at)
    return False


def _step(
    plan: Plan, unit: Unit, wave: int, step: PlannedStep, places: tuple[str, ...], state: RunState, rules: Rules
) -> tuple[Move, ...]:
    at = {place: state.at(step.id, place) for place in places}
    running = [p for p, s in at.items() if s.status in ("running", "verifying", "undoing")]
    pending = [p for p, s in at.items() if s.status in ("pending", "waiting")]
    doubtful = tuple(p for p, s in at.items() if s.status == "in_doubt")
    bad = tuple(
        p for p, s in at.items() if (s.status in BAD or s.status in ("undone", "undo_failed")) and not handled(step, s)
    )
    if bad or doubtful:
        if running:
            return ()
        if pending and step.effect == "read" and not rules.guided and not doubtful:
            return _go(unit, wave, step, tuple(pending), len(running), state, rules)
        if doubtful:
            return _ask(ask.doubt(step, doubtful, state), state, rules, "in_doubt")
        return failure_moves(plan, step, bad, places, state, rules.on_failure, rules.unanswered)
    skipped = _conditions(unit, step, tuple(pending), state, rules)
    if skipped:
        return skipped
    return _go(unit, wave, step, tuple(pending), len(running), state, rules)


def _conditions(
    unit: Unit, step: PlannedStep, pending: tuple[str, ...], state: RunState, rules: Rules
) -> tuple[Move, ...]:
    """Return skips and failures of the places whose `when` was not yet looked at."""
    conditions = [c for c in (unit.when, step.source.when) if c]
    if not conditions:
        return ()
    moves: list[Move] = []
    for place in pending:
        at = state.at(step.id, place)
        if at.planned is not None or at.attempts:
            continue
        names = rules.names(state, step, place)
        for condition in conditions:
            try:
                holds = compile_expression(condition).verdict(names)
            except RunbookError as error:
                holds, why = None, error.message
            else:
                why = "a value that it needs is not known"
            if holds is None:
                moves.append(ask.untellable(step, place, at.next_attempt, condition, why))
                break
            if not holds:
                moves.append(Skip(step.id, (place,), "when", condition))
                break
    return tuple(moves)


def _go(
    unit: Unit,
    wave: int,
    step: PlannedStep,
    pending: tuple[str, ...],
    running: int,
    state: RunState,
    rules: Rules,
) -> tuple[Move, ...]:
    """Return what brings the pending places of a step forward."""
    if step.kind in ("manual", "ask", "choose"):
        return _person(step, pending, state, rules)
    room = max(0, step.parallel - running)
    asks = needs_agreement(unit, step, state, rules.guided)
    if step.kind == "action" or asks:
        unseen = [p for p in pending if state.at(step.id, p).planned is None or state.at(step.id, p).stale]
        if unseen:
            return tuple(Inspect(step.id, p) for p in unseen[:room])
    if asks:
        question = _gate(unit, wave, step, pending, state, rules)
        if question is not None:
            return question
    if step.effect != "read":
        unclaimed = tuple(h for h in step.hosts if h not in state.leases)
        if unclaimed and pending:
            return (Claim(unclaimed),)
    return tuple(Begin(step.id, p, state.at(step.id, p).next_attempt) for p in pending[:room])


def _person(step: PlannedStep, pending: tuple[str, ...], state: RunState, rules: Rules) -> tuple[Move, ...]:
    place = pending[0]
    question = ask.person(step, place, state, rules.names)
    answered = [d for d in state.decisions if d.question == question.id and d.choice not in ("pause", "stop", "skip")]
    if answered:
        return (Conclude(step.id, place, state.at(step.id, place).next_attempt, answered[-1]),)
    return _ask(question, state, rules, "waiting")


def needs_agreement(unit: Unit, step: PlannedStep, state: RunState, guided: bool) -> bool:
    """Tell whether a person has to agree before the step runs."""
    if step.kind in ("wait", "notify"):
        return guided and not state.run_on
    if step.kind == "probe":
        return guided and not state.run_on
    return guided or unit.approve != "none" or step.effect == "destructive"


def _gate(
    unit: Unit, wave: int, step: PlannedStep, pending: tuple[str, ...], state: RunState, rules: Rules
) -> tuple[Move, ...] | None:
    """Return the question or the inspections that an agreement still lacks; None if all is agreed."""
    open_places = tuple(p for p in pending if _changes(state.at(step.id, p)))
    if not open_places and step.kind == "action":
        return None
    if unit.approve != "none" and step.kind == "action":
        if not all(_agreed(state, step, p) for p in open_places):
            return _approval(unit, wave, step, state, rules)
        if not rules.guided and step.effect != "destructive":
            return None
    if step.effect == "destructive":
        if all(_confirmed(state, step, p) for p in open_places):
            return None
        return _ask(ask.confirm(step, open_places, state), state, rules, "waiting")
    if rules.guided and not all(_agreed(state, step, p) for p in open_places or pending):
        return _ask(ask.proceed(step, pending, state), state, rules, "waiting")
    return None


def _approval(unit: Unit, wave: int, step: PlannedStep, state: RunState, rules: Rules) -> tuple[Move, ...]:
    """Ask once for the whole unit; steps whose turn has not come are looked at early."""
    later: list[Move] = []
    covered: list[tuple[PlannedStep, str]] = []
    begun = False
    for number in range(len(unit.waves)):
        for each in unit.steps:
            begun = begun or (number == wave and each.id == step.id)
            if each.kind != "action" or not begun:
                continue
            for place in places_of(unit, each, number, state):
                at = state.at(each.id, place)
                if at.status not in ("pending", "waiting"):
                    continue
                if at.planned is None or at.stale:
                    later.append(Inspect(each.id, place, early=not (number == wave and each.id == step.id)))
                covered.append((each, place))
    if later:
        return tuple(later[: unit.parallel])
    return _ask(ask.approve(unit, tuple(covered), state), state, rules, "waiting")


def _changes(at: StepState) -> bool:
    return at.planned is not None and at.planned.answer in ("proceed", "later")


def _agreed(state: RunState, step: PlannedStep, place: str) -> bool:
    return _covers(state.agreed.get((step.id, place)), state.at(step.id, place))


def _confirmed(state: RunState, step: PlannedStep, place: str) -> bool:
    return _covers(state.confirmed.get((step.id, place)), state.at(step.id, place))


def _covers(digest: str | None, at: StepState) -> bool:
    return digest is not None and at.planned is not None and digest in (at.planned.digest, at.planned.form)


def _ask(question: ask.Question, state: RunState, rules: Rules, without: ask.WithoutAnswer) -> tuple[Move, ...]:
    if question.id in rules.unanswered:
        return (Rest(without, question.title),)
    if question.id in state.questions:
        return ()
    return (Ask(question),)


def _orphans(state: RunState) -> tuple[Move, ...]:
    moves: list[Move] = []
    for (step, target), at in state.steps.items():
        last = at.attempt
        if not at.orphan or last is None:
            continue
        undoing = [a for a in at.attempts if a.undo_open]
        number = undoing[-1].number if undoing else last.number
        moves.append(Settle(step, target, number, undo=bool(undoing)))
    return tuple(moves)


def _is_undo_session(state: RunState) -> bool:
    return bool(state.sessions) and state.sessions[-1].mode == "undo"


def _end(state: RunState) -> ask.RunStatus:
    bad = [at for at in state.steps.values() if at.status in BAD]
    if any(at.status == "in_doubt" for at in state.steps.values()):
        return "in_doubt"
    return "partial" if bad else "succeeded"
